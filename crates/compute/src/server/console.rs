//! A console's log, asked of the server's host.

use ::store::Store;
use agent_api::Question;
use rest::{Fields, Reply, Request};
use serde_json::{Value as Json, json};

use super::act;
use crate::Error;

/// Answers `os-getConsoleOutput`.
pub(super) async fn output(
    request: &Request,
    argument: Json,
    store: &Store,
    inquiries: &nodes::Inquiries,
) -> Result<Reply, Error> {
    let mut fields =
        Fields::new("os-getConsoleOutput", if argument.is_null() { json!({}) } else { argument })?;
    // Nova takes -1 for everything, as a number or as a string.
    let length = fields.int("length")?.map(|n| if n < 0 { None } else { u32::try_from(n).ok() });
    fields.finish()?;
    let asked = request.clone();
    let server = store
        .read(move |tx| act::load_for("os-console-output", asked.caller(), tx, asked.param("id")))
        .await?;
    let Some(host) = server.host.as_ref().filter(|_| server.launched_at.is_some() || !server.is_building())
    else {
        return Err(Error::Conflict(format!("Instance {} is not ready", server.id)));
    };
    let question = Question::ConsoleLog { server_id: server.id, lines: length.flatten() };
    let answer = inquiries.ask(host, question).await.map_err(Error::Unavailable)?;
    let text = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
    Ok(Reply::ok(json!({"output": text})))
}
