//! Why something is not as wanted, and whether that passes by itself.

use crate::vms::words;

/// Why something is not as wanted. Whatever it is, it is tried again; what passes is no reason to give up for whoever
/// wanted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Why, in words for the owner and the operator.
    pub words: String,
    /// Whether it passes: storage that does not answer now.
    pub passes: bool,
}

impl From<String> for Trouble {
    /// What nobody knows to pass does not.
    fn from(words: String) -> Trouble {
        Trouble { words, passes: false }
    }
}

impl From<storage::Error> for Trouble {
    fn from(error: storage::Error) -> Trouble {
        let passes = error.is_temporary();
        Trouble { words: words(error), passes }
    }
}
