//! The body of `POST /servers`.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rest::{Fields, InvalidBody, Microversion, Request};
use serde_json::Value as Json;
use types::{HostId, ImageId, ServerId};

use super::volumes::Source;
use super::{Draft, Networks, Placement, WantedDisk, WantedNic};
use crate::{Error, body, microversion};

/// The longest user data, in base64.
const USER_DATA_LENGTH_MAX: usize = 65535;
/// The largest size of a volume that the body may name.
const VOLUME_GIB_MAX: i64 = 0x7fff_ffff;
/// Scheduler hints that are honoured.
const HINTS: [&str; 3] = ["group", "same_host", "different_host"];

/// What was read, and whether the reservation's id is to be answered instead of the server.
pub(super) struct Read {
    pub(super) draft: Draft,
    pub(super) return_reservation_id: bool,
    pub(super) group_names: Option<Vec<String>>,
}

/// Reads the body.
pub(super) fn read(request: &Request) -> Result<Read, Error> {
    let version = request.version;
    let mut top = Fields::new("", request.json()?)?;
    let Some(mut fields) = top.object("server")? else {
        return Err(Error::Invalid("'server' is a required property".to_owned()));
    };
    let hints = match top.object("os:scheduler_hints")? {
        Some(hints) => Some(hints),
        None => top.object("OS-SCH-HNT:scheduler_hints")?,
    };
    top.finish()?;
    let name =
        body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is a required property"))?;
    let image = image_ref(&mut fields)?;
    let disks = disks(&mut fields, version, image.is_some())?;
    if image.is_none() && !disks.iter().any(|disk| disk.boot) {
        let text = "Invalid imageRef provided: the server has neither an image nor a volume to boot from.";
        return Err(Error::Invalid(text.to_owned()));
    }
    // Given as an image again by clients that boot from a volume of it.
    let image_id = image.filter(|_| !disks.iter().any(|disk| disk.boot));
    let group_names = security_groups(&mut fields)?;
    let mut placement = zone(&mut fields, version)?;
    placement_hints(hints, &mut placement)?;
    let draft = Draft {
        flavor: flavor_ref(&mut fields)?,
        hostname: hostname(&mut fields, version)?,
        description: match version >= microversion::DESCRIPTION {
            true => body::description(&mut fields, 255)?.flatten(),
            false => Some(name.clone()),
        },
        name,
        image_id,
        networks: networks(&mut fields, version)?,
        security_groups: group_names.clone(),
        disks,
        key_name: body::name(&mut fields, "key_name")?,
        user_data: user_data(&mut fields)?,
        metadata: body::metadata(&mut fields, "metadata")?.unwrap_or_default().into_iter().collect(),
        tags: match version >= microversion::CREATE_TAGS {
            true => body::tags(&mut fields, "tags")?.unwrap_or_default().into_iter().collect(),
            false => Default::default(),
        },
        config_drive: fields.flag("config_drive")?.unwrap_or(false),
        admin_pass: fields.text("adminPass")?,
        access_ipv4: address(&mut fields, "accessIPv4", true)?.flatten(),
        access_ipv6: address(&mut fields, "accessIPv6", false)?.flatten(),
        disk_config_manual: disk_config(&mut fields)?.unwrap_or(false),
        placement,
        count: count(&mut fields)?,
        knows_multiattach: version >= microversion::MULTIATTACH,
    };
    let return_reservation_id = fields.flag("return_reservation_id")?.unwrap_or(false);
    refuse_unbuilt(&mut fields, version)?;
    fields.finish()?;
    if draft.count.1 > 1 && draft.hostname.is_some() {
        let text = "Unable to launch multiple instances with a single hostname: leave it out.";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(Read { draft, return_reservation_id, group_names })
}

/// What a version has and this cloud does not.
fn refuse_unbuilt(fields: &mut Fields, version: Microversion) -> Result<(), Error> {
    if version < microversion::NO_PERSONALITY
        && let Some(files) = fields.list("personality")?
        && !files.is_empty()
    {
        return Err(Error::Invalid("File injection (personality) is not built; use user_data.".to_owned()));
    }
    if version >= microversion::TRUSTED_CERTS && fields.texts("trusted_image_certificates")?.is_some() {
        return Err(Error::Invalid("Trusted image certificates are not built.".to_owned()));
    }
    Ok(())
}

fn image_ref(fields: &mut Fields) -> Result<Option<ImageId>, Error> {
    let Some(text) = fields.text("imageRef")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| {
        Error::Invalid(format!(
            "Invalid input for field/attribute imageRef. Value: {text}. '{text}' is not a 'uuid'"
        ))
    })
}

/// A flavor's id: the last part of a link, or a number.
fn flavor_ref(fields: &mut Fields) -> Result<String, Error> {
    let text = match fields.take("flavorRef") {
        Some(Json::String(text)) if !text.is_empty() => text,
        Some(Json::Number(number)) => number.to_string(),
        Some(_) => return Err(fields.error("flavorRef", "is not a string").into()),
        None => return Err(Error::Invalid("'flavorRef' is a required property".to_owned())),
    };
    Ok(text.rsplit('/').next().unwrap_or_default().to_owned())
}

pub(super) fn hostname(fields: &mut Fields, version: Microversion) -> Result<Option<String>, Error> {
    if version < microversion::HOSTNAME {
        return Ok(None);
    }
    let Some(name) = fields.text("hostname")? else { return Ok(None) };
    let dots = version >= microversion::FQDN;
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        !label.is_empty() && label.len() <= 63 && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let valid = if dots { name.len() <= 255 && name.split('.').all(label) } else { label(&name) };
    if valid {
        Ok(Some(name))
    } else {
        Err(fields.error("hostname", format!("is no host name: {name}")).into())
    }
}

/// Takes an address that is to be shown: `None` if absent, `Some(None)` if empty or null.
pub(super) fn address(fields: &mut Fields, key: &str, v4: bool) -> Result<Option<Option<IpAddr>>, Error> {
    let Some(given) = fields.nullable_text(key)? else { return Ok(None) };
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(Some(None)) };
    let parsed: Option<IpAddr> = text.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == v4);
    let kind = if v4 { "ipv4" } else { "ipv6" };
    parsed
        .map(|ip| Some(Some(ip)))
        .ok_or_else(|| fields.error(key, format!("'{text}' is not a '{kind}'")).into())
}

/// Takes `OS-DCF:diskConfig`: whether it is MANUAL.
pub(super) fn disk_config(fields: &mut Fields) -> Result<Option<bool>, Error> {
    match fields.text("OS-DCF:diskConfig")?.as_deref() {
        None => Ok(None),
        Some("AUTO") => Ok(Some(false)),
        Some("MANUAL") => Ok(Some(true)),
        Some(_) => Err(fields.error("OS-DCF:diskConfig", "is not one of ['AUTO', 'MANUAL']").into()),
    }
}

fn user_data(fields: &mut Fields) -> Result<Option<String>, Error> {
    let Some(text) = fields.text("user_data")? else { return Ok(None) };
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if text.len() > USER_DATA_LENGTH_MAX || BASE64_STANDARD.decode(&plain).is_err() {
        let problem = format!("is not 'base64' or longer than {USER_DATA_LENGTH_MAX}");
        return Err(fields.error("user_data", problem).into());
    }
    Ok(Some(plain).filter(|text| !text.is_empty()))
}

fn count(fields: &mut Fields) -> Result<(u32, u32), Error> {
    let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    let min = fields.int_in("min_count", 1, i64::from(u16::MAX))?.map(number).unwrap_or(1);
    let max = fields.int_in("max_count", 1, i64::from(u16::MAX))?.map(number).unwrap_or(min);
    if min > max {
        return Err(Error::Invalid("min_count must be <= max_count".to_owned()));
    }
    Ok((min, max))
}

fn security_groups(fields: &mut Fields) -> Result<Option<Vec<String>>, Error> {
    let Some(groups) = fields.objects("security_groups")? else { return Ok(None) };
    let mut names: Vec<String> = Vec::new();
    for mut group in groups {
        if let Some(name) = body::name(&mut group, "name")?
            && !names.contains(&name)
        {
            names.push(name);
        }
        group.finish()?;
    }
    Ok(Some(names))
}

fn networks(fields: &mut Fields, version: Microversion) -> Result<Networks, Error> {
    let required = version >= microversion::NETWORKS_REQUIRED;
    match fields.take("networks") {
        None | Some(Json::Null) if required => {
            Err(Error::Invalid("'networks' is a required property".to_owned()))
        }
        None | Some(Json::Null) => Ok(Networks::Unspecified),
        Some(Json::String(word)) if required && word == "auto" => Ok(Networks::Auto),
        Some(Json::String(word)) if required && word == "none" => Ok(Networks::None),
        Some(Json::Array(list)) => {
            let mut nics: Vec<WantedNic> = Vec::new();
            for item in list {
                let nic = nic(Fields::new("networks", item)?, version)?;
                if let Some(id) = nic.port_id.filter(|id| nics.iter().any(|other| other.port_id == Some(*id)))
                {
                    return Err(Error::Invalid(format!(
                        "Port ID '{id}' was specified twice: you cannot attach a port multiple times."
                    )));
                }
                nics.push(nic);
            }
            Ok(Networks::These(nics))
        }
        Some(_) => Err(fields.error("networks", "is neither a list nor one of ['none', 'auto']").into()),
    }
}

fn nic(mut fields: Fields, version: Microversion) -> Result<WantedNic, Error> {
    let network = fields.text("uuid")?;
    let fixed_ip: Option<IpAddr> = fields.parse("fixed_ip")?;
    let port_id = fields.parse("port")?;
    let tags = version == microversion::DEVICE_TAGS
        || version > microversion::DEVICE_TAGS && version < microversion::NETWORKS_REQUIRED
        || version >= microversion::DEVICE_TAGS_AGAIN;
    let tag = if tags { fields.text("tag")? } else { None };
    tag.iter().try_for_each(|tag| body::check_tag(tag))?;
    fields.finish()?;
    if let (Some(id), Some(ip)) = (port_id, fixed_ip) {
        let id: types::PortId = id;
        return Err(Error::Invalid(format!(
            "Specified Fixed IP '{ip}' cannot be used with port '{id}': the two cannot be specified together."
        )));
    }
    let network_id = match (&network, port_id) {
        (_, Some(_)) => None,
        (None, None) => return Err(Error::Invalid("Bad network format: missing 'uuid'".to_owned())),
        (Some(text), None) => Some(text.parse().map_err(|_| {
            Error::Invalid(format!("Bad networks format: network uuid is not in proper format ({text})"))
        })?),
    };
    Ok(WantedNic { network_id, fixed_ip, port_id, tag })
}

fn zone(fields: &mut Fields, version: Microversion) -> Result<Placement, Error> {
    let mut placement = Placement::default();
    if let Some(text) = body::name(fields, "availability_zone")? {
        let mut parts = text.split(':');
        placement.zone = parts.next().filter(|zone| !zone.is_empty()).map(str::to_owned);
        let names: Vec<&str> = parts.filter(|name| !name.is_empty()).collect();
        placement.host = names.first().map(|name| HostId::from(*name));
        if text.matches(':').count() > 2 {
            return Err(Error::Invalid(
                "Invalid availability_zone: it is zone, zone:host or zone:host:node".to_owned(),
            ));
        }
    }
    if version >= microversion::REQUESTED_HOST {
        let host = fields.text("host")?;
        let node = fields.text("hypervisor_hostname")?;
        if let Some(name) = host.or(node) {
            if placement.host.is_some() {
                let text = "One mechanism with host and/or hypervisor_hostname and another mechanism with \
                            zone:host:node are mutually exclusive.";
                return Err(Error::Invalid(text.to_owned()));
            }
            placement.host = Some(name.as_str().into());
        }
    }
    Ok(placement)
}

fn placement_hints(hints: Option<Fields>, placement: &mut Placement) -> Result<(), Error> {
    let Some(mut hints) = hints else { return Ok(()) };
    placement.group_id = hints.parse("group")?;
    placement.same_host = servers(&mut hints, "same_host")?;
    placement.different_host = servers(&mut hints, "different_host")?;
    // A hint that nobody heeds would be a lie.
    match hints.left().first() {
        None => Ok(()),
        Some(other) => Err(Error::Invalid(format!(
            "Scheduler hint '{other}' is not honoured here; those that are: {}",
            HINTS.join(", ")
        ))),
    }
}

fn servers(hints: &mut Fields, key: &str) -> Result<Vec<ServerId>, Error> {
    let texts = match hints.take(key) {
        None => return Ok(Vec::new()),
        Some(Json::String(text)) => vec![Json::String(text)],
        Some(Json::Array(list)) => list,
        Some(_) => return Err(hints.error(key, "is neither a string nor a list").into()),
    };
    let ids = texts.iter().map(|text| text.as_str().and_then(|text| text.parse().ok()));
    ids.collect::<Option<Vec<ServerId>>>().ok_or_else(|| hints.error(key, "is not a 'uuid'").into())
}

fn disks(fields: &mut Fields, version: Microversion, has_image: bool) -> Result<Vec<WantedDisk>, Error> {
    let legacy = fields.objects("block_device_mapping")?.unwrap_or_default();
    let mappings = fields.objects("block_device_mapping_v2")?.unwrap_or_default();
    if !legacy.is_empty() && !mappings.is_empty() {
        let text = "Using different block_device_mapping syntaxes is not allowed in the same request.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let mut disks = Vec::new();
    for (n, mapping) in legacy.into_iter().enumerate() {
        disks.push(legacy_disk(mapping, n == 0 && !has_image)?);
    }
    for mapping in mappings {
        disks.extend(disk(mapping, version, has_image)?);
    }
    if disks.iter().filter(|disk| disk.boot).count() > 1 {
        return Err(Error::Invalid("Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.".to_owned()));
    }
    Ok(disks)
}

fn legacy_disk(mut mapping: Fields, boot: bool) -> Result<WantedDisk, InvalidBody> {
    let id = mapping.parse("volume_id")?.ok_or_else(|| mapping.error("volume_id", "is required"))?;
    let disk = WantedDisk {
        source: Source::Volume(id),
        size_gib: None,
        volume_type: None,
        boot,
        delete_on_termination: mapping.flag("delete_on_termination")?.unwrap_or(false),
        device: mapping.text("device_name")?,
        tag: None,
    };
    mapping.take("volume_size");
    mapping.take("virtual_name");
    mapping.take("no_device");
    mapping.take("connection_info");
    mapping.finish()?;
    Ok(disk)
}

/// One mapping; `None` for the image itself, which clients name again as local disk 0.
fn disk(mut mapping: Fields, version: Microversion, has_image: bool) -> Result<Option<WantedDisk>, Error> {
    let invalid = |why: &str| Error::Invalid(format!("Block Device Mapping is Invalid: {why}"));
    let from = mapping.text("source_type")?.unwrap_or_else(|| "volume".to_owned());
    let to = mapping.text("destination_type")?;
    let id = mapping.text("uuid")?;
    let other_ids = [mapping.text("volume_id")?, mapping.text("image_id")?, mapping.text("snapshot_id")?];
    let id = id.or_else(|| other_ids.into_iter().flatten().next());
    let boot_index = match mapping.take("boot_index") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => {
            Some(text.parse::<i64>().map_err(|_| mapping.error("boot_index", "is not an integer"))?)
        }
        Some(Json::Number(number)) => number.as_i64(),
        Some(_) => return Err(mapping.error("boot_index", "is not an integer").into()),
    };
    let size_gib = mapping.int_in("volume_size", 0, VOLUME_GIB_MAX)?;
    let size_gib = size_gib.filter(|n| *n > 0).and_then(|n| u32::try_from(n).ok());
    let delete_on_termination = mapping.flag("delete_on_termination")?.unwrap_or(false);
    let device = mapping.text("device_name")?;
    let tags = version == microversion::DEVICE_TAGS || version >= microversion::DEVICE_TAGS_AGAIN;
    let tag = if tags { mapping.text("tag")? } else { None };
    tag.iter().try_for_each(|tag| body::check_tag(tag))?;
    let volume_type = if version >= microversion::VOLUME_TYPE { mapping.text("volume_type")? } else { None };
    for unused in ["guest_format", "device_type", "disk_bus", "no_device", "connection_info", "virtual_name"]
    {
        mapping.take(unused);
    }
    mapping.finish()?;
    let id_of = |what: &str| id.clone().ok_or_else(|| invalid(&format!("uuid of the {what} is required")));
    let bad = |text: String| invalid(&format!("{text} is not a UUID"));
    let source = match (from.as_str(), to.as_deref()) {
        ("image", None | Some("local")) if has_image && boot_index == Some(0) => return Ok(None),
        ("image", Some("volume")) => {
            let text = id_of("image")?;
            Source::Image(text.parse().map_err(|_| bad(text))?)
        }
        ("volume", None | Some("volume")) => {
            let text = id_of("volume")?;
            Source::Volume(text.parse().map_err(|_| bad(text))?)
        }
        ("snapshot", None | Some("volume")) => {
            let text = id_of("snapshot")?;
            Source::Snapshot(text.parse().map_err(|_| bad(text))?)
        }
        ("blank", Some("volume")) => Source::Blank,
        (from, to) => {
            let to = to.unwrap_or("local");
            return Err(invalid(&format!("a {to} disk from source {from} is not built")));
        }
    };
    if size_gib.is_none() && source == Source::Blank {
        return Err(invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size"));
    }
    let boot = boot_index == Some(0);
    if boot && has_image && !matches!(source, Source::Image(_)) {
        return Err(invalid(
            "Boot sequence for the instance and image/block device mapping combination is not valid.",
        ));
    }
    Ok(Some(WantedDisk { source, size_gib, volume_type, boot, delete_on_termination, device, tag }))
}
