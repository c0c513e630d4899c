//! Who may do what with images, under OpenStack's names. Which images a caller sees at all is asked first, of the
//! image: see [`crate::image::ops::show`].

use policy::{ADMIN, ANYONE, Attributes, MEMBER_OR_ADMIN, READER_OR_ADMIN, Rule, Rules, Value};
use types::ProjectId;

use crate::image::Image;

const SEES_IMAGE: Rule = Rule::new(
    "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or \
     'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
);
const DOWNLOADS: Rule = Rule::new(
    "role:admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or \
     'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s))",
);
const CREATES: Rule =
    Rule::new("role:admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)");
const SEES_MEMBERS: Rule =
    Rule::new("role:admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)");
const IS_MEMBER: Rule = Rule::new("role:admin or (role:member and project_id:%(member_id)s)");
const SERVICE: Rule = Rule::new("rule:service_api");
const SERVICE_OR_MEMBER: Rule =
    Rule::new("rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)");
const SEES_NAMESPACE: Rule =
    Rule::new("role:admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))");

/// The rules of the image service.
pub static RULES: Rules = Rules::new(&[
    ("default", ANYONE),
    ("context_is_admin", ADMIN),
    ("service_api", Rule::new("role:service or role:admin")),
    ("add_image", CREATES),
    ("delete_image", MEMBER_OR_ADMIN),
    ("get_image", SEES_IMAGE),
    ("get_images", READER_OR_ADMIN),
    ("modify_image", MEMBER_OR_ADMIN),
    ("publicize_image", ADMIN),
    ("communitize_image", MEMBER_OR_ADMIN),
    ("download_image", DOWNLOADS),
    ("download_from_store", DOWNLOADS),
    ("upload_image", MEMBER_OR_ADMIN),
    ("delete_image_location", ADMIN),
    ("get_image_location", READER_OR_ADMIN),
    ("set_image_location", MEMBER_OR_ADMIN),
    ("add_image_location", SERVICE_OR_MEMBER),
    ("fetch_image_location", SERVICE),
    ("add_member", MEMBER_OR_ADMIN),
    ("delete_member", MEMBER_OR_ADMIN),
    ("get_member", SEES_MEMBERS),
    ("get_members", SEES_MEMBERS),
    ("modify_member", IS_MEMBER),
    ("manage_image_cache", ADMIN),
    ("deactivate", MEMBER_OR_ADMIN),
    ("reactivate", MEMBER_OR_ADMIN),
    ("copy_image", ADMIN),
    ("list_cached_nodes", ADMIN),
    ("cache_image", ADMIN),
    ("cache_list", ADMIN),
    ("cache_delete", ADMIN),
    ("cache_clean", ADMIN),
    ("cache_prune", ADMIN),
    ("stores_info_detail", Rule::new("rule:context_is_admin or rule:service_api")),
    ("get_task", ANYONE),
    ("get_tasks", ANYONE),
    ("add_task", ANYONE),
    ("modify_task", ANYONE),
    ("tasks_api_access", ADMIN),
    ("metadef_default", ANYONE),
    ("metadef_admin", ADMIN),
    ("get_metadef_namespace", SEES_NAMESPACE),
    ("get_metadef_namespaces", READER_OR_ADMIN),
    ("modify_metadef_namespace", METADEF_ADMIN),
    ("add_metadef_namespace", METADEF_ADMIN),
    ("delete_metadef_namespace", METADEF_ADMIN),
    ("get_metadef_object", SEES_NAMESPACE),
    ("get_metadef_objects", SEES_NAMESPACE),
    ("modify_metadef_object", METADEF_ADMIN),
    ("add_metadef_object", METADEF_ADMIN),
    ("delete_metadef_object", METADEF_ADMIN),
    ("list_metadef_resource_types", SEES_NAMESPACE),
    ("get_metadef_resource_type", SEES_NAMESPACE),
    ("add_metadef_resource_type_association", METADEF_ADMIN),
    ("remove_metadef_resource_type_association", METADEF_ADMIN),
    ("get_metadef_property", SEES_NAMESPACE),
    ("get_metadef_properties", SEES_NAMESPACE),
    ("modify_metadef_property", METADEF_ADMIN),
    ("add_metadef_property", METADEF_ADMIN),
    ("remove_metadef_property", METADEF_ADMIN),
    ("get_metadef_tag", SEES_NAMESPACE),
    ("get_metadef_tags", SEES_NAMESPACE),
    ("modify_metadef_tag", METADEF_ADMIN),
    ("add_metadef_tag", METADEF_ADMIN),
    ("add_metadef_tags", METADEF_ADMIN),
    ("delete_metadef_tag", METADEF_ADMIN),
    ("delete_metadef_tags", METADEF_ADMIN),
]);

const METADEF_ADMIN: Rule = Rule::new("rule:metadef_admin");

/// An image as the rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageTarget<'t> {
    pub(crate) image: &'t Image,
    /// The caller's project, if the image was shared with it.
    pub(crate) member: Option<&'t ProjectId>,
}

impl Attributes for ImageTarget<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        let image = self.image;
        match name {
            "project_id" | "owner" => Some(Value::Text(image.owner.as_str())),
            "visibility" => Some(Value::Text(image.visibility.as_str())),
            "member_id" => self.member.map(|member| Value::Text(member.as_str())),
            "status" => Some(Value::Text(image.status.as_str())),
            "name" => Some(Value::of(image.name.as_deref())),
            property => image.properties.get(property).map(|value| Value::Text(value)),
        }
    }
}
