//! Chance that can be repeated.

/// A linear congruential generator (Knuth's constants), so that a failure comes again.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end.max(1)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() & 0xFFFF) as f32 / 65_536.0
    }

    /// The values that break parsers come more often than chance would have them.
    pub fn byte(&mut self) -> u8 {
        match self.below(4) {
            0 => [0, 1, 0x7F, 0x80, 0xFE, 0xFF][self.below(6)],
            _ => self.next() as u8,
        }
    }
}
