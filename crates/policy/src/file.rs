//! The operator's file: a flat map in YAML, of which JSON is a part, from names to expressions.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::Problem;

/// A line of the map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The entries in the file's order. A file without any is fine.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, Problem> {
    let mut events = Parser::new_from_str(text);
    let mut entries = Vec::new();
    let mut began = false;
    while let Some((event, line)) = next(&mut events)? {
        match event {
            Event::StreamStart
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamEnd
            | Event::Nothing => {}
            Event::MappingStart(..) if !began => {
                began = true;
                pairs(&mut events, &mut entries)?;
            }
            // What is nothing but comments is one null to YAML.
            Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() || text == "~" => {}
            _ => {
                return Err(wrong(
                    line,
                    "a map of rules to expressions is expected, `\"rule\": \"expression\"`",
                ));
            }
        }
    }
    Ok(entries)
}

fn pairs<'i>(
    events: &mut Parser<'i, impl saphyr_parser::Input + 'i>,
    entries: &mut Vec<Entry>,
) -> Result<(), Problem> {
    while let Some((event, line)) = next(events)? {
        let name = match event {
            Event::MappingEnd => return Ok(()),
            Event::Scalar(name, ..) => name.into_owned(),
            _ => return Err(wrong(line, "a rule's name is expected")),
        };
        let value = match next(events)? {
            Some((Event::Scalar(value, style, ..), _))
                if style != ScalarStyle::Plain || !value.is_empty() =>
            {
                value.into_owned()
            }
            Some((Event::Scalar(..), _)) | None => {
                let what = format!("{name} has no expression: write \"\" for everybody, \"!\" for nobody");
                return Err(wrong(line, &what));
            }
            Some(_) => {
                return Err(wrong(line, &format!("{name} is not a text: write its expression in quotes")));
            }
        };
        entries.push(Entry { line, name, value });
    }
    Ok(())
}

fn next<'i>(
    events: &mut Parser<'i, impl saphyr_parser::Input + 'i>,
) -> Result<Option<(Event<'i>, usize)>, Problem> {
    let event: Option<Result<(Event<'i>, Span), ScanError>> = events.next();
    match event {
        None => Ok(None),
        Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
        Some(Err(error)) => Err(wrong(error.marker().line(), &format!("it is no YAML: {}", error.info()))),
    }
}

fn wrong(line: usize, what: &str) -> Problem {
    Problem { line, what: what.to_owned() }
}
