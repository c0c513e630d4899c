//! The microversions of the compute API that an answer or a body depends on, named by what they brought.

use rest::Microversion;

/// The oldest.
pub(crate) const MIN: Microversion = Microversion(2, 1);
/// The newest that is built whole enough to be announced.
pub(crate) const MAX: Microversion = Microversion(2, 96);

/// Keypairs have a type; creating one answers 201, deleting one 204.
pub(crate) const KEYPAIR_TYPE: Microversion = Microversion(2, 2);
/// More extended attributes: host name, launch index, reservation, root device, user data.
pub(crate) const EXTENDED_ATTRIBUTES: Microversion = Microversion(2, 3);
/// Servers tell whether they are locked.
pub(crate) const LOCKED: Microversion = Microversion(2, 9);
/// Keypairs of other users.
pub(crate) const KEYPAIR_USER: Microversion = Microversion(2, 10);
/// Server groups name their user and project.
pub(crate) const GROUP_OWNER: Microversion = Microversion(2, 13);
/// Soft affinity.
pub(crate) const GROUP_SOFT: Microversion = Microversion(2, 15);
/// Servers tell how their host is.
pub(crate) const HOST_STATUS: Microversion = Microversion(2, 16);
/// Servers have a description.
pub(crate) const DESCRIPTION: Microversion = Microversion(2, 19);
/// Instance actions of deleted servers; `links` of actions later.
pub(crate) const TAGS: Microversion = Microversion(2, 26);
/// Hypervisors answer their CPU info as an object.
pub(crate) const HYPERVISOR_CPU_INFO: Microversion = Microversion(2, 28);
/// Network devices and, for this version alone, block devices have tags.
pub(crate) const DEVICE_TAGS: Microversion = Microversion(2, 32);
/// Hypervisor lists have pages.
pub(crate) const HYPERVISOR_PAGES: Microversion = Microversion(2, 33);
/// Keypair lists have pages.
pub(crate) const KEYPAIR_PAGES: Microversion = Microversion(2, 35);
/// The proxies to other services are gone.
pub(crate) const NO_PROXIES: Microversion = Microversion(2, 36);
/// `networks` must be given; it may be `auto` or `none`.
pub(crate) const NETWORKS_REQUIRED: Microversion = Microversion(2, 37);
/// A status that does not exist is refused as a filter.
pub(crate) const STATUS_FILTER: Microversion = Microversion(2, 38);
/// The image metadata proxy's quota is gone.
pub(crate) const NO_IMAGE_METADATA: Microversion = Microversion(2, 39);
/// Device tags again, for good.
pub(crate) const DEVICE_TAGS_AGAIN: Microversion = Microversion(2, 42);
/// Images and backups of servers answer the image's id in the body.
pub(crate) const IMAGE_ID: Microversion = Microversion(2, 45);
/// Servers show their flavor as it was when they were made.
pub(crate) const FLAVOR_INLINE: Microversion = Microversion(2, 47);
/// Devices attached later may have tags.
pub(crate) const ATTACH_TAGS: Microversion = Microversion(2, 49);
/// Events of actions are shown to everybody, without tracebacks.
pub(crate) const EVENTS: Microversion = Microversion(2, 51);
/// Servers can be made with tags.
pub(crate) const CREATE_TAGS: Microversion = Microversion(2, 52);
/// Services and hypervisors have UUIDs.
pub(crate) const SERVICE_UUID: Microversion = Microversion(2, 53);
/// Flavors have a description.
pub(crate) const FLAVOR_DESCRIPTION: Microversion = Microversion(2, 55);
/// File injection is gone.
pub(crate) const NO_PERSONALITY: Microversion = Microversion(2, 57);
/// Actions tell when they changed last; their list has pages.
pub(crate) const ACTION_PAGES: Microversion = Microversion(2, 58);
/// Volumes that several servers may have at a time.
pub(crate) const MULTIATTACH: Microversion = Microversion(2, 60);
/// Flavors show their extra specs.
pub(crate) const FLAVOR_EXTRA_SPECS: Microversion = Microversion(2, 61);
/// Events name a host's id, and to operators its name.
pub(crate) const EVENT_HOST: Microversion = Microversion(2, 62);
/// Servers show trusted image certificates.
pub(crate) const TRUSTED_CERTS: Microversion = Microversion(2, 63);
/// A server group has one policy, with rules.
pub(crate) const GROUP_POLICY: Microversion = Microversion(2, 64);
/// Lists can end before a time.
pub(crate) const CHANGES_BEFORE: Microversion = Microversion(2, 66);
/// Block devices can name a volume type.
pub(crate) const VOLUME_TYPE: Microversion = Microversion(2, 67);
/// Attachments and interfaces show their tags.
pub(crate) const SHOW_TAGS: Microversion = Microversion(2, 70);
/// Servers name their server groups.
pub(crate) const SERVER_GROUPS: Microversion = Microversion(2, 71);
/// Locks have a reason, and servers can be listed by their lock.
pub(crate) const LOCKED_REASON: Microversion = Microversion(2, 73);
/// An operator may name the host.
pub(crate) const REQUESTED_HOST: Microversion = Microversion(2, 74);
/// Unknown query parameters are refused; no swap is 0.
pub(crate) const STRICT_QUERIES: Microversion = Microversion(2, 75);
/// Attachments show whether the volume goes with the server.
pub(crate) const DELETE_ON_TERMINATION: Microversion = Microversion(2, 79);
/// Whether the volume goes with the server can be changed.
pub(crate) const UPDATE_ATTACHMENT: Microversion = Microversion(2, 85);
/// Events may have details.
pub(crate) const EVENT_DETAILS: Microversion = Microversion(2, 84);
/// Hypervisors lose what placement knows.
pub(crate) const HYPERVISOR_LEAN: Microversion = Microversion(2, 88);
/// Attachments show the ids of Cinder's attachment and of the device, and lose their own.
pub(crate) const ATTACHMENT_IDS: Microversion = Microversion(2, 89);
/// A host name can be chosen and is shown to its owner.
pub(crate) const HOSTNAME: Microversion = Microversion(2, 90);
/// Key pairs are imported only.
pub(crate) const KEYPAIR_IMPORT_ONLY: Microversion = Microversion(2, 92);
/// A host name may be fully qualified.
pub(crate) const FQDN: Microversion = Microversion(2, 94);
/// Servers show the availability zone that was asked for.
pub(crate) const PINNED_ZONE: Microversion = Microversion(2, 96);
