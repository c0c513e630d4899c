//! What a cloud survives, shown on a real one: processes that are killed at any moment, a full disk, a rebooted host,
//! broken images, and tenants who mean harm. Needs root, QEMU and the guest image; without them each test is skipped.

mod broken;
mod cloud;
mod guest;
mod isolation;
mod kill;
mod life;

/// Ends the test at once where the machine cannot run it.
macro_rules! cloud_test {
    ($name:literal) => {
        if !crate::survive::cloud::ready($name) {
            return;
        }
    };
}
pub(crate) use cloud_test;
