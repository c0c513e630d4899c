//! The services that make up a cloud: their routes, their reconcilers.

use std::sync::Arc;

use ::image::image::by_node::Terms;
use nodes::Inquiries;
use reconcile::Reconciler;
use store::Store;

/// What services share.
pub struct Shared<'s> {
    /// The database.
    pub store: &'s Store,
    /// The images' bytes.
    pub images: image::stores::Stores,
    /// Tokens.
    pub tokens: &'s Arc<identity::Tokens>,
    /// Questions to hosts.
    pub inquiries: &'s Inquiries,
    /// How much this process tells.
    pub log: Arc<dyn block_storage::LogLevels>,
}

/// Every service's rules.
pub fn rules() -> [(&'static str, &'static policy::Rules); 6] {
    [
        ("identity", &identity::RULES),
        ("image", &image::RULES),
        ("placement", &placement::RULES),
        ("network", &network::RULES),
        ("block-storage", &block_storage::RULES),
        ("compute", &compute::RULES),
    ]
}

/// All services with their routes.
pub fn all(shared: Shared<'_>, image: image::Config) -> Vec<rest::Service> {
    let made_images = Terms::new(shared.images.clone(), &image);
    vec![
        identity::service(shared.store, shared.tokens),
        image::service(shared.store, shared.images, image),
        placement::service(),
        network::service(),
        block_storage::service(shared.store, shared.inquiries, made_images.clone(), shared.log),
        compute::service(shared.store, shared.inquiries, made_images),
    ]
}

/// All reconcilers.
pub fn reconcilers(
    images: image::stores::Stores,
    image: image::Config,
    keys: Arc<identity::CredentialKeys>,
) -> Vec<Arc<dyn Reconciler>> {
    let mut all = image::reconcilers(images, image);
    all.extend(placement::reconcilers());
    all.extend(network::reconcilers());
    all.extend(block_storage::reconcilers(keys));
    all.extend(compute::reconcilers());
    all
}

#[cfg(test)]
mod tests;
