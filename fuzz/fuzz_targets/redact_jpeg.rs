#![no_main]

libfuzzer_sys::fuzz_target!(
    init: obscura_fuzz::contain_panics(),
    |bytes: &[u8]| obscura_fuzz::redaction_keeps_its_contract(bytes)
);
