//! Signatures as Amazon publishes them: "Signature Calculations for the Authorization Header: Transferring Payload in a
//! Single Chunk (AWS Signature Version 4)", of whose examples two sign the headers that are sent here.

use sha2::{Digest, Sha256};

use super::{S3, S3Config, encoded, hex};

const AT: &str = "20130524T000000Z";

fn published() -> S3 {
    S3::open(S3Config {
        endpoint: "https://examplebucket.s3.amazonaws.com".to_owned(),
        region: "us-east-1".to_owned(),
        bucket: "examplebucket".to_owned(),
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
    })
    .unwrap()
}

#[test]
fn requests_are_signed_as_published() {
    let check = |query: &[(&str, &str)], signature: &str| {
        let query = super::query_text(query);
        let said = published().authorization(AT, &["GET", "/", &query], &hex(&Sha256::digest(b"")));
        let wanted = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
        );
        assert_eq!(said, wanted, "{query}");
    };
    check(&[("lifecycle", "")], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    let list = [("prefix", "J"), ("max-keys", "2")];
    check(&list, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

#[test]
fn paths_and_queries_are_encoded_as_published() {
    assert_eq!(encoded("/test$file.text", true), "/test%24file.text");
    assert_eq!(encoded("a/b c~d", false), "a%2Fb%20c~d");
}
