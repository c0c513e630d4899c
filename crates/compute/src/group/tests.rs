//! What policies mean for a choice.

use placement::schedule::Request;

use super::GroupPolicy;

#[test]
fn policies_narrow_or_prefer() {
    let check = |policy: GroupPolicy, expected: Request| {
        let mut request = Request::default();
        policy.constrain(&["a".into()].into(), &mut request);
        assert_eq!(request, expected, "{policy:?}");
        let mut alone = Request::default();
        policy.constrain(&[].into(), &mut alone);
        assert_eq!(alone, Request::default(), "the first member goes anywhere");
    };
    let a = || [types::HostId::from("a")].into();
    check(GroupPolicy::Affinity, Request { within: Some(a()), ..Request::default() });
    check(GroupPolicy::AntiAffinity, Request { avoid: a(), ..Request::default() });
    check(GroupPolicy::SoftAffinity, Request { rather: a(), ..Request::default() });
    check(GroupPolicy::SoftAntiAffinity, Request { rather_not: a(), ..Request::default() });
}
