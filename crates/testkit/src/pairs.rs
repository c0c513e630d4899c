//! Names that two sides of a conversation gave to the same things. Which number a name has depends on how many its side has
//! given before: one that shows an id more, on purpose, is ahead from then on.

use std::collections::BTreeMap;

/// Which name of ours stands for which of theirs, and the other way round.
#[derive(Default)]
pub(crate) struct Pairs {
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
}

impl Pairs {
    /// Whether two texts say the same. Names that meet here, and have met no others, stand for the same thing from now on.
    pub(crate) fn are_alike(&mut self, theirs: &str, ours: &str) -> bool {
        if theirs.split('<').count() != ours.split('<').count() {
            return false;
        }
        let parts = theirs.split('<').zip(ours.split('<'));
        let mut met = Vec::new();
        for (their_part, our_part) in parts {
            match (numbered(their_part), numbered(our_part)) {
                (Some(their), Some(our)) if their.kind == our.kind && their.rest == our.rest => {
                    met.push((their.name, our.name));
                }
                _ if their_part == our_part => {}
                _ => return false,
            }
        }
        let can_meet = |(their, our): &(&str, &str)| {
            self.ours.get(*their).is_none_or(|known| known == our)
                && self.theirs.get(*our).is_none_or(|known| known == their)
        };
        let all = met.iter().all(can_meet);
        if all {
            for (their, our) in met {
                self.ours.insert(their.to_owned(), our.to_owned());
                self.theirs.insert(our.to_owned(), their.to_owned());
            }
        }
        all
    }
}

/// A name with a number at the start of what follows a `<`.
struct Numbered<'a> {
    name: &'a str,
    kind: &'a str,
    rest: &'a str,
}

fn numbered(part: &str) -> Option<Numbered<'_>> {
    let (name, rest) = part.split_once('>')?;
    let (kind, number) = name.rsplit_once('-')?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(Numbered { name, kind, rest })
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    #[test]
    fn a_name_stands_for_one_thing() {
        let mut pairs = Pairs::default();
        let mut check = |theirs: &str, ours: &str, alike: bool| {
            assert_eq!(pairs.are_alike(theirs, ours), alike, "{theirs} {ours}");
        };
        check("wet", "wet", true);
        check("wet", "dry", false);
        check("/v3/<id-2>/x", "/v3/<id-1>/x", true);
        check("<id-2>", "<id-1>", true);
        check("<id-2>", "<id-2>", false);
        check("<id-1>", "<id-1>", false);
        check("<id-3>", "<hash-3>", false);
        check("<id-3>", "<id-3>, and more", false);
        check("<id-3> of <id-1>", "<id-3> of <id-1>", false);
        check("<id-3>", "<id-4>", true);
        check("<squid>", "<whale>", false);
        check("<squid> of <time>", "<squid> of <time>", true);
    }
}
