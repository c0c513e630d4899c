//! Making, finding and changing flavors.

use ::store::{Stored, Tx};
use policy::{Caller, Target};

use super::model::FRESH;
use super::store::FLAVORS;
use super::{Flavor, FlavorDraft, store};
use crate::Error;
use crate::policy::RULES;

/// Makes the flavors of a fresh cloud, where there is none yet.
pub fn bootstrap(tx: &mut Tx<'_>) -> Result<(), Error> {
    if !store::all(tx)?.is_empty() {
        return Ok(());
    }
    for (id, name, vcpus, ram_mib, disk_gib) in FRESH {
        let draft = FlavorDraft {
            id: Some((*id).into()),
            name: (*name).to_owned(),
            vcpus: *vcpus,
            ram_mib: *ram_mib,
            disk_gib: *disk_gib,
            ephemeral_gib: 0,
            swap_mib: 0,
            rxtx_factor: 1.0,
            is_public: true,
            description: None,
        };
        create(&Caller::cloud(), tx, draft)?;
    }
    Ok(())
}

/// Makes a flavor.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: FlavorDraft) -> Result<Stored<Flavor>, Error> {
    RULES.check("os_compute_api:os-flavor-manage:create", caller, &Target::default())?;
    let id = draft.id.unwrap_or_else(|| runtime::new_uuid().to_string().as_str().into());
    if store::by_name(tx, &draft.name)?.is_some() {
        return Err(Error::Conflict(format!("Flavor with name {} already exists.", draft.name)));
    }
    if store::load(tx, id.as_str())?.is_some() {
        return Err(Error::Conflict(format!("Flavor with ID {id} already exists.")));
    }
    let flavor = Flavor {
        id,
        name: draft.name,
        vcpus: draft.vcpus,
        ram_mib: draft.ram_mib,
        disk_gib: draft.disk_gib,
        ephemeral_gib: draft.ephemeral_gib,
        swap_mib: draft.swap_mib,
        rxtx_factor: draft.rxtx_factor,
        is_public: draft.is_public,
        description: draft.description,
        extra_specs: Default::default(),
        access: Default::default(),
        created_at: tx.now(),
    };
    Ok(FLAVORS.insert(tx, flavor)?)
}

/// The flavor of this id, if the caller may see it.
pub fn load(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Flavor>, Error> {
    let found = store::load(tx, id)?;
    let seen = found.filter(|flavor| caller.is_admin() || flavor.is_open_to(caller.project_id()));
    seen.ok_or_else(|| Error::NotFound(format!("Flavor {id} could not be found.")))
}

/// The flavors that the caller may see: the public ones, the others or, with `None`, both. Only an operator has the
/// choice; everybody else sees what is open to the project.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    is_public: Option<bool>,
) -> Result<Vec<Stored<Flavor>>, Error> {
    let mut flavors = store::all(tx)?;
    if caller.is_admin() {
        flavors.retain(|f| is_public.is_none_or(|wanted| f.is_public == wanted));
    } else {
        flavors.retain(|f| f.is_open_to(caller.project_id()));
    }
    Ok(flavors)
}

/// Changes the description.
pub(crate) fn describe(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    description: Option<String>,
) -> Result<Stored<Flavor>, Error> {
    RULES.check("os_compute_api:os-flavor-manage:update", caller, &Target::default())?;
    let mut flavor = load(caller, tx, id)?;
    flavor.description = description;
    FLAVORS.save(tx, &mut flavor)?;
    Ok(flavor)
}

/// Removes a flavor; servers keep their copies.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("os_compute_api:os-flavor-manage:delete", caller, &Target::default())?;
    let flavor = load(caller, tx, id)?;
    Ok(FLAVORS.remove(tx, &flavor)?)
}

/// Adds and replaces extra specs.
pub(crate) fn set_extra_specs(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    specs: Vec<(String, String)>,
) -> Result<(), Error> {
    RULES.check("os_compute_api:os-flavor-extra-specs:create", caller, &Target::default())?;
    let mut flavor = load(caller, tx, id)?;
    flavor.extra_specs.extend(specs);
    Ok(FLAVORS.save(tx, &mut flavor)?)
}

/// Removes one extra spec.
pub(crate) fn remove_extra_spec(caller: &Caller, tx: &mut Tx<'_>, id: &str, key: &str) -> Result<(), Error> {
    RULES.check("os_compute_api:os-flavor-extra-specs:delete", caller, &Target::default())?;
    let mut flavor = load(caller, tx, id)?;
    if flavor.extra_specs.remove(key).is_none() {
        return Err(no_extra_spec(id, key));
    }
    Ok(FLAVORS.save(tx, &mut flavor)?)
}

/// The answer where a flavor has no such extra spec.
pub(super) fn no_extra_spec(id: &str, key: &str) -> Error {
    Error::NotFound(format!("Flavor {id} has no extra specs with key {key}."))
}

/// Opens a flavor that is not public to a project, or closes it again.
pub(crate) fn set_access(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    project_id: &str,
    open: bool,
) -> Result<Stored<Flavor>, Error> {
    let rule = if open { "add_tenant_access" } else { "remove_tenant_access" };
    RULES.check(&format!("os_compute_api:os-flavor-access:{rule}"), caller, &Target::default())?;
    let mut flavor = load(caller, tx, id)?;
    if open {
        if flavor.is_public {
            return Err(Error::Conflict("Can not add access to a public flavor.".to_owned()));
        }
        if !flavor.access.insert(project_id.into()) {
            let text =
                format!("Flavor access already exists for flavor {id} and project {project_id} combination.");
            return Err(Error::Conflict(text));
        }
    } else if !flavor.access.remove(&project_id.into()) {
        let text = format!("Flavor access not found for {id} / {project_id} combination.");
        return Err(Error::NotFound(text));
    }
    FLAVORS.save(tx, &mut flavor)?;
    Ok(flavor)
}
