//! Lists: filters on any attribute, sorting, pages with links, and a choice of fields.
//!
//! Filters and sort keys that are columns are left to the database. The others are applied to what clients would see,
//! so that every attribute can be filtered on; then the page is cut here.

use std::cmp::Ordering;

use rest::{Page, Request, sort_of};
use serde_json::{Value as Json, json};
use store::{Direction, Select, Tx, Value};

use crate::Error;
use crate::api::View;
use crate::resource::Resource;

/// Which attributes are text columns that are never NULL: attribute and column.
pub(crate) type Columns<'c> = &'c [(&'static str, &'static str)];

/// Query parameters that are no filters.
const NOT_FILTERS: [&str; 7] = ["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "sort"];
/// The largest page. A list without a limit is given whole, as Neutron does by default.
const LIMIT_MAX: u32 = 100_000;

/// The rows that a caller may see.
pub(crate) type Scope = Select;

struct Wish {
    page: Page,
    reverse: bool,
    sort: Vec<(String, Direction)>,
    filters: Vec<(String, Vec<String>)>,
}

impl Wish {
    fn of(request: &Request) -> Result<Wish, Error> {
        let mut filters: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &request.query {
            if NOT_FILTERS.contains(&name.as_str()) {
                continue;
            }
            match filters.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.clone()),
                None => filters.push((name.clone(), vec![value.clone()])),
            }
        }
        let mut sort = sort_of(request)?;
        if !sort.iter().any(|(key, _)| key == "id") {
            sort.push(("id".to_owned(), Direction::Asc));
        }
        let reverse = request.query("page_reverse").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        Ok(Wish { page: Page::of(request, LIMIT_MAX)?, reverse, sort, filters })
    }
}

/// The body of a list's answer.
pub(crate) fn answer<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    scope: Scope,
    columns: Columns<'_>,
    view: View<R>,
) -> Result<Json, Error> {
    let wish = Wish::of(request)?;
    let column = |name: &str| columns.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
    let (in_database, here): (Vec<_>, Vec<_>) =
        wish.filters.iter().cloned().partition(|(name, _)| column(name).is_some());
    let mut select = scope;
    for (name, values) in in_database {
        if let Some(column) = column(&name) {
            select = select.is_in(column, values.iter());
        }
    }
    let order: Option<Vec<_>> =
        wish.sort.iter().map(|(key, direction)| Some((column(key)?, *direction))).collect();
    let mut views = match order {
        Some(order) if here.is_empty() => page_in_database(request, tx, select, &order, &wish, view)?,
        _ => page_here(request, tx, select, &here, &wish, view)?,
    };
    let links = links(request, &wish.page, &views);
    views.iter_mut().for_each(|shown| keep_fields(request, shown));
    let mut body = json!({ R::PLURAL: views });
    if !links.is_empty() {
        body[format!("{}_links", R::PLURAL)] = Json::Array(links);
    }
    Ok(body)
}

fn page_in_database<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    mut select: Select,
    order: &[(&'static str, Direction)],
    wish: &Wish,
    view: View<R>,
) -> Result<Vec<Json>, Error> {
    for (column, direction) in order {
        select = select.order(column, if wish.reverse { opposite(*direction) } else { *direction });
    }
    if let Some(marker) = &wish.page.marker {
        let table = R::table();
        let row = table.load(tx, marker)?.ok_or_else(|| R::not_found(marker.clone()))?;
        let values: Vec<Value> = order.iter().map(|(name, _)| value_of(table, name, &row)).collect();
        select = select.after(&values);
    }
    if let Some(limit) = wish.page.limit.filter(|limit| *limit > 0) {
        select = select.limit(limit);
    }
    let mut rows = R::table().query(tx, &select)?;
    if wish.reverse {
        rows.reverse();
    }
    rows.iter().map(|row| view(request.caller(), tx, row)).collect()
}

fn value_of<R>(table: &store::Table<R>, column: &str, row: &R) -> Value {
    let declared = table.columns.iter().find(|declared| declared.name == column);
    declared.map_or_else(|| (table.id)(row), |declared| (declared.value)(row))
}

fn page_here<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    select: Select,
    filters: &[(String, Vec<String>)],
    wish: &Wish,
    view: View<R>,
) -> Result<Vec<Json>, Error> {
    let mut views = Vec::new();
    for row in R::table().query(tx, &select)? {
        let shown = view(request.caller(), tx, &row)?;
        if filters.iter().all(|(name, values)| matches(&shown, name, values)) {
            views.push(shown);
        }
    }
    views.sort_by(|a, b| compare(a, b, &wish.sort));
    if wish.reverse {
        views.reverse();
    }
    if let Some(marker) = &wish.page.marker {
        let at = views.iter().position(|shown| shown["id"] == **marker);
        views.drain(..=at.ok_or_else(|| R::not_found(marker.clone()))?);
    }
    if let Some(limit) = wish.page.limit.filter(|limit| *limit > 0) {
        views.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if wish.reverse {
        views.reverse();
    }
    Ok(views)
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Asc => Direction::Desc,
        Direction::Desc => Direction::Asc,
    }
}

fn compare(a: &Json, b: &Json, sort: &[(String, Direction)]) -> Ordering {
    let by_key = sort.iter().map(|(key, direction)| {
        let ordering = match (&a[key], &b[key]) {
            (Json::Number(x), Json::Number(y)) => x.as_i64().cmp(&y.as_i64()),
            (Json::String(x), Json::String(y)) => x.cmp(y),
            (x, y) => x.to_string().cmp(&y.to_string()),
        };
        if *direction == Direction::Desc { ordering.reverse() } else { ordering }
    });
    by_key.fold(Ordering::Equal, Ordering::then)
}

/// Whether what a client would see has one of these values in an attribute. Attributes that it does not have filter
/// nothing, as in Neutron.
pub(crate) fn matches(shown: &Json, name: &str, values: &[String]) -> bool {
    let words = || values.iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty());
    let tagged = |word: &str| shown["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == word));
    match name {
        "tags" => return words().all(tagged),
        "tags-any" => return words().any(tagged),
        "not-tags" => return !words().all(tagged),
        "not-tags-any" => return !words().any(tagged),
        "fixed_ips" => return matches_fixed_ips(&shown["fixed_ips"], values),
        _ => {}
    }
    shown.get(name).is_none_or(|actual| values.iter().any(|value| equals(actual, value)))
}

fn equals(actual: &Json, value: &str) -> bool {
    match actual {
        Json::Null => value.is_empty() || value == "null" || value == "None",
        Json::Bool(flag) => {
            let yes =
                ["true", "1", "yes", "on", "t", "y"].iter().any(|word| value.eq_ignore_ascii_case(word));
            yes == *flag
        }
        Json::Number(number) => number.to_string() == value,
        Json::String(text) => text == value,
        Json::Array(items) => items.iter().any(|item| equals(item, value)),
        Json::Object(_) => false,
    }
}

/// `fixed_ips=subnet_id=S` and `fixed_ips=ip_address=A`: values of one name are alternatives, the names must all match.
fn matches_fixed_ips(actual: &Json, values: &[String]) -> bool {
    let pairs: Vec<(&str, &str)> = values.iter().filter_map(|value| value.split_once('=')).collect();
    let Some(addresses) = actual.as_array() else { return pairs.is_empty() };
    let one_of = |name: &str, test: &dyn Fn(&Json, &str) -> bool, address: &Json| {
        let mut wanted = pairs.iter().filter(|(known, _)| *known == name).peekable();
        wanted.peek().is_none() || wanted.any(|(_, value)| test(address, value))
    };
    addresses.iter().any(|address| {
        one_of("subnet_id", &|a, v| a["subnet_id"] == *v, address)
            && one_of("ip_address", &|a, v| a["ip_address"] == *v, address)
            && one_of(
                "ip_address_substr",
                &|a, v| a["ip_address"].as_str().is_some_and(|ip| ip.contains(v)),
                address,
            )
    })
}

fn links(request: &Request, page: &Page, views: &[Json]) -> Vec<Json> {
    let Some(limit) = page.limit.filter(|limit| *limit > 0) else { return Vec::new() };
    let others: Vec<String> = request
        .query
        .iter()
        .filter(|(name, _)| name != "marker" && name != "page_reverse")
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let base = format!("{}{}?{}", request.base_url, request.path, others.join("&"));
    let id = |shown: Option<&Json>| shown.and_then(|s| s["id"].as_str()).unwrap_or_default().to_owned();
    let mut links = Vec::new();
    if views.len() as u64 == u64::from(limit) {
        links.push(json!({"rel": "next", "href": format!("{base}&marker={}", id(views.last()))}));
    }
    if page.marker.is_some() || request.query("page_reverse").is_some() {
        let first =
            if views.is_empty() { page.marker.clone().unwrap_or_default() } else { id(views.first()) };
        links.push(json!({"rel": "previous", "href": format!("{base}&marker={first}&page_reverse=True")}));
    }
    links
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Leaves only the attributes that `fields` names, if it is given.
pub(crate) fn keep_fields(request: &Request, shown: &mut Json) {
    let names: Vec<&str> =
        request.queries("fields").flat_map(|list| list.split(',')).filter(|n| !n.is_empty()).collect();
    if let (false, Json::Object(all)) = (names.is_empty(), shown) {
        all.retain(|name, _| names.contains(&name.as_str()));
    }
}
