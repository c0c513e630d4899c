//! `POST /servers/{id}/action`: one route, one name in the body.

use std::sync::Arc;

use ::store::{Store, Tx};
use image::image::by_node::Terms;
use rest::{Method, Reply, Request, Routes};
use serde_json::Value as Json;

use super::{argument, asked, imaging};
use crate::server::act::{self, Act};
use crate::server::{console, ops, ports};
use crate::{Error, body, microversion};

type Shared = (Store, nodes::Inquiries, Terms);

/// What Nova does to servers and this cloud does not yet.
const UNBUILT: &[&str] = &[
    "changePassword",
    "confirmResize",
    "evacuate",
    "lock_volume",
    "migrate",
    "os-migrateLive",
    "rebuild",
    "rescue",
    "resize",
    "restore",
    "resume",
    "revertResize",
    "shelve",
    "shelveOffload",
    "suspend",
    "trigger_crash_dump",
    "unrescue",
    "unshelve",
    "injectNetworkInfo",
    "resetNetwork",
    "addFixedIp",
    "removeFixedIp",
    "addFloatingIp",
    "removeFloatingIp",
    "os-getVNCConsole",
    "os-getSPICEConsole",
    "os-getRDPConsole",
    "os-getSerialConsole",
];

pub(super) fn routes(shared: &Arc<Shared>) -> Routes {
    let shared = shared.clone();
    Routes::new().slow(Method::POST, "/servers/{id}/action", false, move |request| {
        let shared = shared.clone();
        async move { answer(request, &shared).await }
    })
}

/// A question to the node is asked between transactions; everything else is one transaction.
async fn answer(request: Request, (store, inquiries, terms): &Shared) -> Result<Reply, Error> {
    let (name, value) = body::action(&request)?;
    if name == "os-getConsoleOutput" {
        return console::output(&request, value, store, inquiries).await;
    }
    let terms = terms.clone();
    store.write(move |tx| run(&request, tx, &terms, (&name, value.clone()))).await
}

fn run(
    request: &Request,
    tx: &mut Tx<'_>,
    terms: &Terms,
    (name, value): (&str, Json),
) -> Result<Reply, Error> {
    let (asked, id) = (asked(request), request.param("id"));
    match name {
        "os-start" => act::act(&asked, tx, id, Act::Start)?,
        "os-stop" => act::act(&asked, tx, id, Act::Stop)?,
        "pause" => act::act(&asked, tx, id, Act::Pause)?,
        "unpause" => act::act(&asked, tx, id, Act::Unpause)?,
        "reboot" => {
            let mut fields = argument(name, value)?;
            let kind = fields.required_text("type")?.to_uppercase();
            fields.finish()?;
            let kind = match kind.as_str() {
                "SOFT" => Act::RebootSoft,
                "HARD" => Act::RebootHard,
                _ => {
                    return Err(Error::Invalid(
                        "Invalid input for field/attribute type. It is not one of ['HARD', 'SOFT']"
                            .to_owned(),
                    ));
                }
            };
            act::act(&asked, tx, id, kind)?;
        }
        "lock" => {
            let mut fields = argument(name, value)?;
            let reason = match request.version >= microversion::LOCKED_REASON {
                true => fields.text("locked_reason")?,
                false => None,
            };
            if reason.as_ref().is_some_and(|reason| reason.chars().count() > 255) {
                return Err(fields.error("locked_reason", "is too long").into());
            }
            if request.version >= microversion::LOCKED_REASON {
                fields.finish()?;
            }
            act::lock(&asked, tx, id, reason)?;
        }
        "unlock" => act::unlock(&asked, tx, id)?,
        "os-resetState" => {
            let mut fields = argument(name, value)?;
            let state = fields.required_text("state")?;
            fields.finish()?;
            let active = match state.as_str() {
                "active" => true,
                "error" => false,
                _ => {
                    return Err(Error::Invalid(
                        "Invalid input for field/attribute state. It is not one of ['active', 'error']"
                            .to_owned(),
                    ));
                }
            };
            act::reset_state(&asked, tx, id, active)?;
        }
        "createImage" => return imaging::create_image(request, tx, terms, value),
        "createBackup" => return imaging::create_backup(request, tx, terms, value),
        "forceDelete" => ops::delete(&asked, tx, id)?,
        "addSecurityGroup" | "removeSecurityGroup" => {
            let mut fields = argument(name, value)?;
            let group =
                body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is required"))?;
            fields.finish()?;
            change_group(request, tx, &group, name == "addSecurityGroup")?;
        }
        known if UNBUILT.contains(&known) => {
            act::load_for("servers:show", request.caller(), tx, id)?;
            return Err(Error::NotImplemented(format!("The action {known} is not built yet.")));
        }
        other => return Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
    Ok(Reply::empty(202))
}

fn change_group(request: &Request, tx: &mut Tx<'_>, group: &str, add: bool) -> Result<(), Error> {
    let rule = if add { "os-security-groups:add" } else { "os-security-groups:remove" };
    let server = act::load_for(rule, request.caller(), tx, request.param("id"))?;
    act::check_lock(request.caller(), &server)?;
    ports::change_group(request.caller(), tx, &server, group, add)?;
    Ok(tx.kick(crate::server::RECONCILER, server.id)?)
}
