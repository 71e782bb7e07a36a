//! RFC 9110 section 14, by tables and against a naive evaluation.

use proptest::prelude::*;

use super::*;

/// Status and, of a 206 or 416, what it says about ranges.
fn told(method: &Method, lines: &[(&'static str, &str)], size: u64) -> String {
    let plan = plan(method, &request(lines), &object(size));
    let (status, headers) = (plan.status(), headers_of(&plan));
    match (text(headers, "content-range"), &plan) {
        (Some(range), _) => format!("{status} {range}"),
        (None, Plan::Send(transfer)) if status == 206 => {
            let parts = transfer.parts.iter().filter_map(|part| match part {
                super::super::Part::Range(range) => Some(format!("{}-{}", range.start, range.end - 1)),
                super::super::Part::Framing(_) => None,
            });
            format!("206 parts {}", parts.collect::<Vec<_>>().join(" "))
        }
        (None, _) => status.to_string(),
    }
}

#[test]
fn one_range_is_answered_as_the_rfc_says() {
    let check = |range: &str, size: u64, expected: &str| {
        assert_eq!(told(&Method::GET, &[("range", range)], size), expected, "{range} of {size}");
    };
    check("bytes=0-0", 10, "206 bytes 0-0/10");
    check("bytes=0-0", 0, "416 bytes */0");
    check("bytes=0-", 0, "416 bytes */0");
    check("bytes=-1", 0, "200");
    check("bytes=-0", 0, "416 bytes */0");
    check("bytes=-1", 10, "206 bytes 9-9/10");
    check("bytes=-0", 10, "416 bytes */10");
    check("bytes=10-", 10, "416 bytes */10");
    check("bytes=9-", 10, "206 bytes 9-9/10");
    check("bytes=9-10", 10, "206 bytes 9-9/10");
    check("bytes=0-", 10, "206 bytes 0-9/10");
    check("bytes=0-99999999999999999999", 10, "206 bytes 0-9/10");
    check("bytes=-99999999999999999999", 10, "206 bytes 0-9/10");
    check("bytes=99999999999999999999-", 10, "416 bytes */10");
    check("bytes=18446744073709551615-18446744073709551615", u64::MAX, "416 bytes */18446744073709551615");
    check("BYTES=0-1", 10, "206 bytes 0-1/10");
    check("bytes=00-001", 10, "206 bytes 0-1/10");
    check("bytes=,0-1 ,", 10, "206 bytes 0-1/10");
}

#[test]
fn what_is_no_range_of_bytes_is_ignored() {
    let malformed = [
        "bytes=5-2",
        "bytes=abc",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=1.0-2",
        "bytes=--1",
        "bytes=",
        "bytes=,",
        "bytes",
        "bytes=-",
        "bytes=1",
        "bytes=0-1-2",
        "bytes=0 -1",
        "bytes = 0-1",
        "bytes=0-1;2-3",
        "bytes=0-1,x",
        "bytes=0-1,5-2",
        "items=0-1",
        "=0-1",
        "",
        "0-1",
        "bytes=٠-١",
        "bytes=0-1\u{ff}",
        "bytes:0-1",
    ];
    for range in malformed {
        assert_eq!(told(&Method::GET, &[("range", range)], 10), "200", "{range}");
    }
    assert_eq!(told(&Method::GET, &[("range", "bytes=0-1"), ("range", "bytes=0-1")], 10), "200");
}

#[test]
fn range_is_for_get_alone() {
    let lines = [("range", "bytes=0-1")];
    assert_eq!(told(&Method::HEAD, &lines, 10), "200");
    assert_eq!(told(&Method::HEAD, &[("range", "bytes=10-")], 10), "200");
    assert_eq!(told(&Method::POST, &lines, 10), "200");
    assert_eq!(
        told(&Method::GET, &[("range", "bytes=0-1"), ("accept-encoding", "gzip")], 10),
        "206 bytes 0-1/10"
    );
}

#[test]
fn several_ranges_are_joined_where_they_touch_and_keep_their_order() {
    let check = |range: &str, expected: &str| {
        assert_eq!(told(&Method::GET, &[("range", range)], 1_000), expected, "{range}");
    };
    check("bytes=0-0,1-1", "206 bytes 0-1/1000");
    check("bytes=0-1 , 3-4", "206 parts 0-1 3-4");
    check("bytes=0-1, 3-4, 6-7", "206 parts 0-1 3-4 6-7");
    check("bytes=-1,500-501,0-0", "206 parts 999-999 500-501 0-0");
    check("bytes=10-19,500-509,0-9", "206 parts 0-19 500-509");
    check("bytes=0-9,20-29,40-49,5-24", "206 parts 0-29 40-49");
    check("bytes=5-5,5-5,5-5", "206 bytes 5-5/1000");
    check("bytes=0-0,1000-", "206 bytes 0-0/1000");
    check("bytes=1000-,2000-3000", "416 bytes */1000");
    check("bytes=-17208,-9223372036854758792", "200");
    check("bytes=0-499,500-", "200");
}

#[test]
fn more_than_64_ranges_are_ignored() {
    let many = |count: u64| {
        let ranges = (0..count).map(|i| format!("{}-{}", i * 4, i * 4)).collect::<Vec<_>>();
        told(&Method::GET, &[("range", &format!("bytes={}", ranges.join(",")))], 1_000_000)
    };
    assert!(many(64).starts_with("206 parts 0-0 4-4 "));
    assert_eq!(many(65), "200");
    assert_eq!(many(1_300), "200");
    let overlapping = format!("bytes={}", ["0-"; 1_300].join(","));
    assert_eq!(told(&Method::GET, &[("range", &overlapping)], 1_000), "200");
}

/// The positions that one range text means, found by asking every position: no clamping, no arithmetic on ends.
fn named(spec: &str, size: usize) -> Vec<usize> {
    let (first, last) = spec.split_once('-').unwrap();
    let inside = |position: &usize| {
        let position = *position as u128;
        match (first.parse::<u128>(), last.parse::<u128>()) {
            (Err(_), Ok(count)) => position + count >= size as u128,
            (Ok(first), Err(_)) => position >= first,
            (Ok(first), Ok(last)) => first <= position && position <= last,
            (Err(_), Err(_)) => unreachable!("{spec}"),
        }
    };
    (0..size).filter(inside).collect()
}

/// Takes a multipart body apart as a client would: delimiter, header lines, as many bytes as Content-Range says.
fn take_apart<'a>(mut body: &'a [u8], boundary: &str, size: usize) -> Vec<(usize, &'a [u8])> {
    let line = |body: &mut &'a [u8]| {
        let end = body.windows(2).position(|w| w == b"\r\n").unwrap();
        let (line, rest) = body.split_at(end);
        *body = &rest[2..];
        std::str::from_utf8(line).unwrap()
    };
    let mut parts = vec![];
    loop {
        let delimiter = line(&mut body);
        if delimiter == format!("--{boundary}--") {
            assert!(body.is_empty());
            return parts;
        }
        assert_eq!(delimiter, format!("--{boundary}"));
        assert_eq!(line(&mut body), "Content-Type: application/x-msdownload");
        let range = line(&mut body).strip_prefix("Content-Range: bytes ").unwrap();
        let (range, total) = range.split_once('/').unwrap();
        assert_eq!(total.parse(), Ok(size));
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(line(&mut body), "");
        let (bytes, rest) = body.split_at(last - first + 1);
        parts.push((first, bytes));
        body = rest.strip_prefix(b"\r\n").unwrap();
    }
}

/// The answer to `specs` covers exactly what they name, once, with the bytes of the file.
async fn answers_what_is_named(bytes: &[u8], specs: &[String]) {
    let mut wanted: Vec<usize> = specs.iter().flat_map(|spec| named(spec, bytes.len())).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let blob = Blob::new(bytes);
    let headers = request(&[("range", &format!("bytes={}", specs.join(",")))]);
    let empty_suffix = bytes.is_empty()
        && specs.iter().any(|s| s.starts_with('-') && !s.trim_matches(['-', '0']).is_empty());
    if wanted.is_empty() && !empty_suffix {
        assert_eq!(plan(&Method::GET, &headers, &blob.object).status(), 416);
        return;
    }
    let response = blob.get(&headers).await;
    let (status, head) = (response.status().as_u16(), response.headers().clone());
    let body = collect(response).await;
    if status == 200 {
        assert_eq!(wanted.len(), bytes.len());
        assert_eq!(body, bytes);
        return;
    }
    assert_eq!(status, 206);
    let boundary = text(&head, "content-type").unwrap().strip_prefix("multipart/byteranges; boundary=");
    let parts = match (boundary, text(&head, "content-range")) {
        (Some(boundary), None) => take_apart(&body, boundary, bytes.len()),
        (None, Some(range)) => {
            let first = wanted.first().copied().unwrap();
            assert_eq!(range, format!("bytes {first}-{}/{}", wanted.last().unwrap(), bytes.len()));
            vec![(first, body.as_slice())]
        }
        other => panic!("{other:?}"),
    };
    let mut sent = vec![];
    for (first, part) in parts {
        assert_eq!(part, &bytes[first..first + part.len()]);
        sent.extend(first..first + part.len());
    }
    sent.sort_unstable();
    assert_eq!(sent, wanted);
}

fn spec() -> impl Strategy<Value = String> {
    let end = || prop_oneof![8 => 0..90_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        (end(), end()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        end().prop_map(|first| format!("{first}-")),
        end().prop_map(|count| format!("-{count}")),
    ]
}

proptest! {
    #[test]
    fn the_bytes_sent_are_the_bytes_named(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        specs in prop::collection::vec(spec(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(answers_what_is_named(&bytes, &specs));
    }

    #[test]
    fn no_range_text_leads_outside_the_file(range in "(bytes=)?[-0-9, a-z=]{0,60}|\\PC{0,40}", size in prop_oneof![0..20_u64, any::<u64>()]) {
        let plan = plan(&Method::GET, &request(&[("range", &range)]), &object(size));
        prop_assert!(matches!(plan.status(), 200 | 206 | 416));
        if let Plan::Send(transfer) = &plan {
            for part in &transfer.parts {
                if let super::super::Part::Range(range) = part {
                    prop_assert!(range.start <= range.end && range.end <= size);
                }
            }
        }
    }
}
