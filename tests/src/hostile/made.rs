//! What nobody would write down: files that are no components, and components that lie about their sizes.

/// How a component begins.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// How a module begins.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// The file of this name.
pub(super) fn made(name: &str) -> Option<Vec<u8>> {
    Some(match name {
        "file-empty" => Vec::new(),
        "file-of-text" => b"#!/bin/sh\nrm -rf /\n".to_vec(),
        "file-of-another-kind" => b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".to_vec(),
        "file-too-large" => [COMPONENT, &vec![0; 256 << 20]].concat(),
        "file-of-noise" => [COMPONENT, &noise(100_000)].concat(),
        "file-cut" => {
            let whole =
                wat::parse_str("(component (core module (memory 1) (data (i32.const 0) \"hello, world\")))").ok()?;
            whole[..whole.len() - 9].to_vec()
        }
        // A section that says it has 4 GiB.
        "size-of-section" => [COMPONENT, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        // A section that says that it has four thousand million types, and has two bytes.
        "number-of-types" => component(&[MODULE, &[1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x60]].concat()),
        // A function that says it has four thousand million locals.
        "number-of-locals" => component(
            &[
                MODULE,
                &[1, 4, 1, 0x60, 0, 0],
                &[3, 2, 1, 0],
                &[10, 10, 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b],
            ]
            .concat(),
        ),
        // A name of a function that says it has 4 GiB, in a section that nobody has to read.
        "name-of-a-function" => {
            component(&[MODULE, &custom("name", &[1, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])].concat())
        }
        "components-inside-each-other" => nested(20_000),
        _ => return None,
    })
}

/// A component with this core module in it.
fn component(module: &[u8]) -> Vec<u8> {
    component_of(1, module)
}

fn component_of(section: u8, content: &[u8]) -> Vec<u8> {
    [COMPONENT, &[section], &leb(content.len()), content].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let content = [&leb(name.len()), name.as_bytes(), content].concat();
    [&[0], &*leb(content.len()), &content].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The same bytes at each run, without any order.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// A component in a component, so many times.
fn nested(depth: usize) -> Vec<u8> {
    // From the inside out, since each says how long it is, and turned round at the end.
    let (mut heads, mut length) = (Vec::new(), COMPONENT.len());
    for _ in 0..depth {
        let head = [COMPONENT, &[4], &leb(length)].concat();
        length += head.len();
        heads.push(head);
    }
    heads.reverse();
    [&heads.concat(), COMPONENT].concat()
}
