//! Figures for whoever watches a cloud, as Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A figure of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    name: String,
    labels: Vec<(&'static str, String)>,
    value: u64,
}

impl Figure {
    /// One of this name, which begins with `cuttle_` and ends with its unit if it has one, about what the labels say.
    pub fn new(name: impl Into<String>, labels: &[(&'static str, &str)], value: u64) -> Figure {
        let labels = labels.iter().map(|(key, word)| (*key, (*word).to_owned())).collect();
        Figure { name: name.into(), labels, value }
    }
}

/// Figures in the text format that Prometheus scrapes (version 0.0.4): those of one name together, as it demands.
pub fn written<'f>(figures: impl IntoIterator<Item = &'f Figure>) -> String {
    let mut by_name: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
    for figure in figures {
        by_name.entry(&figure.name).or_default().push(figure);
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    for (name, figures) in by_name {
        let _ = writeln!(out, "# TYPE {name} gauge");
        for figure in figures {
            let pair = |(key, word): &(&str, String)| format!("{key}=\"{}\"", escaped(word));
            let labels: Vec<String> = figure.labels.iter().map(pair).collect();
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{}}}", labels.join(",")),
            };
            let _ = writeln!(out, "{name}{labels} {}", figure.value);
        }
    }
    out
}

fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_name_stand_together() {
        let figures = [
            Figure::new("cuttle_b_bytes", &[("backend", "one")], 1),
            Figure::new("cuttle_a", &[("backend", "one"), ("pool", "a \"b\\\n")], 2),
            Figure::new("cuttle_b_bytes", &[("backend", "two")], 3),
        ];
        let text = "# TYPE cuttle_a gauge\n\
                    cuttle_a{backend=\"one\",pool=\"a \\\"b\\\\\\n\"} 2\n\
                    # TYPE cuttle_b_bytes gauge\n\
                    cuttle_b_bytes{backend=\"one\"} 1\n\
                    cuttle_b_bytes{backend=\"two\"} 3\n";
        assert_eq!(written(&figures), text);
    }
}
