//! Files that were cut or changed: what is read is what was written, or an error.

use std::io::Cursor;
use trace::{Error, Header, PastValue, Precision, State, Trace, Writer};

const SHAPE: [usize; 4] = [1, 4, 2, 3];
const STEPS: u32 = 4;

fn header() -> Header {
    Header {
        run: u64::MAX,
        version: "0.1.0".to_owned(),
        parameters: "ab".repeat(32),
        sampler: "dpmpp_2m".to_owned(),
        sigmas: vec![14.614_642, 4.0, 1.5, 0.029_167_5, 0.0],
        shape: SHAPE,
        precision: Precision::F32,
    }
}

fn png(step: u32) -> Vec<u8> {
    // The content of a picture is of no importance here.
    (0..40).map(|i| (i * 7 + step) as u8).collect()
}

fn state(step: u32) -> State {
    let values = |from: u32| (from..from + 24).map(|n| f32::from_bits(0x3f00_0000 + n * 12_345)).collect::<Vec<_>>();
    let past = (0..step.min(2)).map(|n| PastValue { sigma: f64::from(n) + 0.1, values: values(step + n) }).collect();
    let noise_spare = (step % 2 == 1).then_some(0.1 + f64::from(step));
    State { x: values(100 * step), past, noise_words: u64::from(step) << 33, noise_spare }
}

/// The file, and the length after each step.
fn whole() -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut writer = Writer::start(&mut bytes, &header()).expect("written");
    ends.push(writer.bytes() as usize);
    for step in 1..=STEPS {
        writer.state(step - 1, &state(step - 1)).expect("written");
        writer.picture(step, &png(step)).expect("written");
        ends.push(writer.bytes() as usize);
    }
    assert_eq!(ends.last(), Some(&bytes.len()), "the writer counts its bytes");
    (bytes, ends)
}

/// Reads all of a file. Panics if anything but an error differs from what was written. Returns the pictures and states.
fn checked(bytes: &[u8]) -> Result<(u32, u32), Error> {
    let mut trace = Trace::read(Cursor::new(bytes))?;
    assert_eq!(trace.header(), &header());
    let (mut pictures, mut states) = (0, 0);
    let steps: Vec<_> = trace.pictures().collect();
    for (step, length) in steps {
        if let Ok(picture) = trace.picture(step) {
            let picture = picture.expect("it is listed");
            assert_eq!((picture.len() as u64, &picture), (length, &png(step)));
            pictures += 1;
        }
    }
    let steps: Vec<_> = trace.states().map(|(step, _)| step).collect();
    for step in steps {
        if let Ok(found) = trace.state(step) {
            assert_eq!(found.expect("it is listed"), state(step));
            states += 1;
        }
    }
    Ok((pictures, states))
}

#[test]
fn what_was_written_is_read() {
    let (bytes, _) = whole();
    assert_eq!(checked(&bytes).expect("whole"), (STEPS, STEPS));
    let mut trace = Trace::read(Cursor::new(&bytes)).expect("whole");
    assert!(!trace.is_cut());
    assert_eq!(trace.header().steps(), STEPS);
    assert!(trace.picture(0).expect("readable").is_none() && trace.state(STEPS).expect("readable").is_none());
    assert_eq!(Writer::<Vec<u8>>::state_bytes(&state(3)), trace.states().last().expect("four").1 + 17);
}

#[test]
fn a_file_that_was_cut_anywhere_has_the_records_before_the_cut() {
    let (bytes, ends) = whole();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let complete = ends.iter().filter(|end| **end <= length).count();
        match complete {
            0 => assert!(matches!(checked(cut), Err(Error::NotATrace | Error::Header(_))), "{length} bytes"),
            // A step's state is written before its picture.
            _ => {
                let (pictures, states) = checked(cut).expect("readable");
                assert_eq!(pictures as usize, complete - 1, "{length} bytes");
                assert!((pictures..=pictures + 1).contains(&states), "{length} bytes");
                let is_cut = Trace::read(Cursor::new(cut)).expect("readable").is_cut();
                assert!(is_cut || ends.contains(&length) || states > pictures, "{length} bytes");
            }
        }
    }
}

#[test]
fn any_changed_byte_gives_an_error_or_what_was_written() {
    let (bytes, _) = whole();
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            // `checked` compares everything that is read.
            if let Ok((pictures, states)) = checked(&changed) {
                assert!(pictures + states < 2 * STEPS, "byte {at} is covered by a checksum");
            }
        }
    }
}

#[test]
fn a_tail_of_zeros_is_a_cut() {
    let (mut bytes, ends) = whole();
    bytes.truncate(ends[2]);
    bytes.resize(bytes.len() + 4096, 0);
    assert_eq!(checked(&bytes).expect("readable"), (2, 2));
    assert!(Trace::read(Cursor::new(&bytes)).expect("readable").is_cut());
}

/// A file with this header's JSON, and records `(kind, step, payload)` with right checksums.
fn forged(json: &[u8], records: &[(u8, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = b"EMBTRACE\x01\0\0\0".to_vec();
    for (kind, step, payload) in [(0, 0, json)].iter().chain(records) {
        let mut head = vec![*kind];
        head.extend(step.to_le_bytes());
        head.extend((payload.len() as u32).to_le_bytes());
        head.extend(crc32fast::hash(payload).to_le_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        bytes.extend(head);
        bytes.extend(*payload);
    }
    bytes
}

fn json(change: impl Fn(&mut Header)) -> Vec<u8> {
    let mut header = header();
    change(&mut header);
    serde_json::to_vec(&header).expect("serializes")
}

#[test]
fn hostile_files_with_right_checksums_get_errors() {
    let read = |bytes: &[u8]| Trace::read(Cursor::new(bytes.to_vec()));
    let message = |bytes: &[u8]| read(bytes).expect_err("hostile").to_string();
    assert_eq!(message(b"RIFF"), "the file is not a trace");
    assert_eq!(message(b"EMBTRACE\x02\0\0\0"), "the trace has format 2, and this version reads format 1");
    assert_eq!(
        message(&forged(&json(|header| header.shape = [1, usize::MAX, 2, 2]), &[])),
        format!("the trace has no usable header: latents of shape [1, {}, 2, 2] are not possible", usize::MAX)
    );
    for shape in [[1, 0, 2, 2], [1, 4, 4096, 4096]] {
        assert!(matches!(read(&forged(&json(|header| header.shape = shape), &[])), Err(Error::Header(_))));
    }
    assert!(matches!(read(&forged(b"{}", &[])), Err(Error::Header(_))));
    assert!(matches!(read(&forged(&vec![b' '; 1 << 17], &[])), Err(Error::Header(_))), "a header is bounded");

    // Steps that fall, repeat, or are beyond the run end the list.
    let good = json(|_| ());
    for steps in [[1, 1], [2, 1], [1, STEPS + 1], [1, u32::MAX]] {
        let trace = read(&forged(&good, &[(1, steps[0], b"a"), (1, steps[1], b"b")])).expect("a prefix");
        assert_eq!((trace.pictures().count(), trace.is_cut()), (1, true), "{steps:?}");
    }
    // A state whose content is not one.
    let states: [&[u8]; 3] = [b"", &[0; 17], &[9; 18]];
    for bytes in states {
        let mut trace = read(&forged(&good, &[(2, 1, bytes)])).expect("a header");
        assert!(matches!(trace.state(1), Err(Error::Damaged { step: 1, .. })), "{} bytes", bytes.len());
    }
    let mut long = forged(&good, &[(2, 1, &[0; 18 + 24 * 4 + 1])]);
    assert!(matches!(read(&long).expect("a header").state(1), Err(Error::Damaged { what: "it is too long", .. })));
    // A record larger than any of its kind is not listed, so nobody allocates it.
    long = forged(&good, &[(2, 1, &vec![0; 1 << 16])]);
    assert_eq!(read(&long).expect("a header").states().count(), 0);
    // Records of later versions are skipped.
    let trace = read(&forged(&good, &[(7, 9, b"later"), (1, 1, b"a")])).expect("a header");
    assert_eq!((trace.pictures().count(), trace.is_cut()), (1, false));
}

#[test]
fn a_file_of_many_tiny_records_is_bounded() {
    let records: Vec<(u8, u32, &[u8])> = (1..=10_000).map(|step| (1, step, &b"x"[..])).collect();
    let sigmas = |header: &mut Header| header.sigmas = vec![1.0; 12_000];
    let bytes = forged(&json(sigmas), &records);
    let trace = Trace::read(Cursor::new(bytes)).expect("a header");
    assert_eq!(trace.pictures().count(), 4096);
}
