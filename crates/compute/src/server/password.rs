//! The password that a guest made for itself and posted, encrypted, to the metadata service.

use ::store::Store;
use agent_api::Question;
use agent_api::compute::PostedPassword;
use rest::{Reply, Request};
use serde_json::json;

use super::{Phase, Server, act};
use crate::Error;

/// Answers `GET os-server-password`. A guest that has just posted it may count on it being shown, as with Nova: where
/// no report has brought one yet, the host is asked.
pub(super) async fn show(
    request: &Request,
    store: &Store,
    inquiries: &nodes::Inquiries,
) -> Result<Reply, Error> {
    let asked = request.clone();
    let server = store
        .read(move |tx| act::load_for("os-server-password:show", asked.caller(), tx, asked.param("id")))
        .await?;
    let mut password = server.guest_password.clone();
    if password.is_empty() && server.phase == Phase::Active {
        password = ask_host(&server, inquiries).await.unwrap_or_default();
    }
    Ok(Reply::ok(json!({"password": password})))
}

/// What the host knows. One that does not answer will report it.
async fn ask_host(server: &Server, inquiries: &nodes::Inquiries) -> Option<String> {
    let question = Question::Password { server_id: server.id };
    let answer = inquiries.ask(server.host.as_ref()?, question).await.ok()?;
    let posted: Option<PostedPassword> = serde_json::from_value(answer).ok()?;
    posted.filter(|posted| posted.cleared == server.passwords_cleared).map(|posted| posted.text)
}
