//! Who may do what with images, under OpenStack's names. Which images a caller sees at all is asked first, of the
//! image: see [`crate::image::ops::show`].

use policy::{ADMIN, MEMBER_OR_ADMIN, READER, READER_OR_ADMIN, Rules};

/// The rules of the image service.
pub static RULES: Rules = Rules::new(&[
    ("add_image", MEMBER_OR_ADMIN),
    ("get_image", READER),
    ("get_images", READER),
    ("modify_image", MEMBER_OR_ADMIN),
    ("delete_image", MEMBER_OR_ADMIN),
    ("publicize_image", ADMIN),
    ("communitize_image", MEMBER_OR_ADMIN),
    ("upload_image", MEMBER_OR_ADMIN),
    ("download_image", READER),
    ("deactivate", MEMBER_OR_ADMIN),
    ("reactivate", MEMBER_OR_ADMIN),
    ("add_member", MEMBER_OR_ADMIN),
    ("delete_member", MEMBER_OR_ADMIN),
    ("get_members", READER_OR_ADMIN),
    ("modify_member", MEMBER_OR_ADMIN),
]);
