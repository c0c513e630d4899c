//! The microversions of the placement API, as far as an answer depends on them.

use rest::Microversion;

/// The oldest.
pub(crate) const MIN: Microversion = Microversion(1, 0);
/// The newest.
pub(crate) const MAX: Microversion = Microversion(1, 39);
/// Traits.
pub(crate) const TRAITS: Microversion = Microversion(1, 6);
/// Allocations are written as an object keyed by provider, and show project and user.
pub(crate) const ALLOCATIONS_BY_PROVIDER: Microversion = Microversion(1, 12);
/// Candidates answer provider summaries and allocations keyed by provider too.
pub(crate) const CANDIDATES: Microversion = Microversion(1, 10);
/// Providers show parent and root.
pub(crate) const NESTED: Microversion = Microversion(1, 14);
/// Candidates name traits in their summaries.
pub(crate) const CANDIDATE_TRAITS: Microversion = Microversion(1, 17);
/// A new provider is answered with its body.
pub(crate) const CREATED_BODY: Microversion = Microversion(1, 20);
/// Aggregates answer with the provider's generation.
pub(crate) const AGGREGATE_GENERATION: Microversion = Microversion(1, 19);
/// Errors carry a code; allocations carry the consumer's generation.
pub(crate) const CONSUMER_GENERATION: Microversion = Microversion(1, 28);
/// Candidates show parent and root in their summaries.
pub(crate) const NESTED_CANDIDATES: Microversion = Microversion(1, 29);
/// Candidates map request groups to providers.
pub(crate) const MAPPINGS: Microversion = Microversion(1, 34);
/// Consumers have a type.
pub(crate) const CONSUMER_TYPES: Microversion = Microversion(1, 38);
