//! At most 256 colours for a picture that had no more and was given some: its own, but for the few that have to go.
//!
//! Colours are merged pairwise, the pair that costs least first (Equitz, "A new vector quantization clustering
//! algorithm", 1989), and a pair keeps the colour of its larger half. So a picture with room to spare stays exact, and
//! in any other only pixels of rare colours change, by little. Quantisers from libraries choose a palette anew and
//! move every pixel.

use std::collections::HashMap;

use crate::photo::pixel::Raster;

/// A byte an index.
const MAX_COLOURS: usize = 256;
/// Colours that the picture around the regions has at least, however many colours regions have.
const MIN_FREE_COLOURS: usize = 64;

pub(super) struct Palette {
    colours: Vec<[u8; 3]>,
    has_transparency: bool,
    /// Where every colour of the picture is found.
    place_of: HashMap<[u8; 3], u8>,
}

/// A palette entry in the making: the colour that is shown, and how many pixels it stands for.
#[derive(Clone)]
struct Cluster {
    colour: [u8; 3],
    pixels: u64,
    /// A region's colour: others may be drawn in it, it is drawn in no other.
    kept: bool,
    members: Vec<[u8; 3]>,
}

impl Palette {
    /// `kept` colours come out as they are, as far as there is room.
    pub(super) fn new(raster: &Raster, kept: &[[u8; 3]]) -> Self {
        let channels = raster.layout.channels();
        let mut counts: HashMap<[u8; 3], u64> = HashMap::new();
        let mut has_transparency = false;
        for pixel in raster.data.chunks_exact(channels) {
            match opaque(pixel, channels) {
                Some(colour) => *counts.entry(colour).or_default() += 1,
                None => has_transparency = true,
            }
        }
        let room = MAX_COLOURS - usize::from(has_transparency);
        let mut clusters: Vec<Cluster> = counts
            .into_iter()
            .map(|(colour, pixels)| Cluster { colour, pixels, kept: kept.contains(&colour), members: vec![colour] })
            .collect();
        // The order of a hash map differs from run to run; the output must not.
        clusters.sort_by_key(|cluster| cluster.colour);
        if clusters.iter().filter(|cluster| cluster.kept).count() > room - MIN_FREE_COLOURS {
            for cluster in &mut clusters {
                cluster.kept = false;
            }
        }
        merge(&mut clusters, room);
        let place_of = clusters
            .iter()
            .enumerate()
            .flat_map(|(place, cluster)| cluster.members.iter().map(move |&member| (member, place as u8)))
            .collect();
        Self { colours: clusters.into_iter().map(|cluster| cluster.colour).collect(), has_transparency, place_of }
    }

    /// The index that stands for transparency.
    pub(super) fn transparent(&self) -> Option<u8> {
        self.has_transparency.then_some(self.colours.len() as u8)
    }

    /// The table: red, green, blue; the transparent entry is black.
    pub(super) fn rgb(&self) -> Vec<u8> {
        let mut table: Vec<u8> = self.colours.iter().flatten().copied().collect();
        table.extend(self.transparent().iter().flat_map(|_| [0; 3]));
        table
    }

    pub(super) fn indices(&self, raster: &Raster) -> Vec<u8> {
        let channels = raster.layout.channels();
        let transparent = self.transparent().unwrap_or(0);
        raster
            .data
            .chunks_exact(channels)
            .map(|pixel| opaque(pixel, channels).map_or(transparent, |colour| self.place_of[&colour]))
            .collect()
    }
}

/// The colour of a pixel that is not transparent. Transparency of a GIF is all or nothing.
fn opaque(pixel: &[u8], channels: usize) -> Option<[u8; 3]> {
    (channels < 4 || pixel[3] > 0).then(|| [pixel[0], pixel[1], pixel[2]])
}

fn merge(clusters: &mut Vec<Cluster>, room: usize) {
    let nearest = |clusters: &[Cluster], at: usize| {
        let costs = (0..clusters.len()).filter(|&other| other != at).map(|other| (cost(clusters, at, other), other));
        costs.min().unwrap_or((u64::MAX, at))
    };
    let mut partners: Vec<(u64, usize)> = (0..clusters.len()).map(|at| nearest(clusters, at)).collect();
    while clusters.len() > room {
        let Some(a) = (0..clusters.len()).min_by_key(|&at| partners[at]) else { return };
        let b = partners[a].1;
        let (keep, drop) = if rank(&clusters[a]) >= rank(&clusters[b]) { (a, b) } else { (b, a) };
        let gone = clusters.swap_remove(drop);
        // The last one has taken the place of the one that went.
        let moved = clusters.len();
        partners.swap_remove(drop);
        let keep = if keep == moved { drop } else { keep };
        clusters[keep].pixels += gone.pixels;
        clusters[keep].members.extend(gone.members);
        for (at, partner) in partners.iter_mut().enumerate() {
            if at == keep || [keep, drop, moved].contains(&partner.1) {
                *partner = nearest(clusters, at);
            }
        }
    }
}

fn rank(cluster: &Cluster) -> (bool, u64) {
    (cluster.kept, cluster.pixels)
}

/// Squared error that drawing the lesser of two in the colour of the other adds.
fn cost(clusters: &[Cluster], a: usize, b: usize) -> u64 {
    let (a, b) = (&clusters[a], &clusters[b]);
    if a.kept && b.kept {
        return u64::MAX;
    }
    let distance: u64 = a.colour.iter().zip(b.colour).map(|(&a, b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    let lesser = if rank(a) >= rank(b) { b } else { a };
    distance * lesser.pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{geometry::Size, photo::pixel::Layout};

    /// One row; every colour as often as it stands there.
    fn row(colours: &[[u8; 3]]) -> Raster {
        let data = colours.iter().flatten().copied().collect();
        Raster::new(Size::new(colours.len() as u32, 1), Layout::Rgb, data).unwrap()
    }

    fn shown(raster: &Raster, kept: &[[u8; 3]]) -> Vec<[u8; 3]> {
        let palette = Palette::new(raster, kept);
        assert!(palette.rgb().len() <= 3 * MAX_COLOURS);
        palette.indices(raster).iter().map(|&index| palette.colours[usize::from(index)]).collect()
    }

    fn many(count: u32) -> Vec<[u8; 3]> {
        (0..count).map(|at| [(at * 37 % 256) as u8, (at * 91 % 256) as u8, (at / 2) as u8]).collect()
    }

    #[test]
    fn up_to_256_colours_stay_exact() {
        let colours = many(256);
        assert_eq!(shown(&row(&colours), &[]), colours);
    }

    #[test]
    fn what_regions_are_painted_in_stays_exact_and_few_others_move() {
        let mut colours = many(256);
        let painted: Vec<[u8; 3]> = (0..16).map(|at| [8 + 16 * at, 24, 250]).collect();
        colours.extend(&painted);
        let shown = shown(&row(&colours), &painted);
        assert_eq!(shown[256..], painted);
        let moved = colours.iter().zip(&shown).filter(|(before, after)| before != after).count();
        assert_eq!(moved, 16, "as many as there is no room for");
    }

    #[test]
    fn more_painted_colours_than_there_is_room_for_are_merged_too() {
        let painted = many(400);
        assert_eq!(shown(&row(&painted), &painted).len(), 400);
    }

    #[test]
    fn transparency_takes_an_entry() {
        let mut data: Vec<u8> = many(256).into_iter().flat_map(|[r, g, b]| [r, g, b, 255]).collect();
        data.extend([0; 4]);
        let raster = Raster::new(Size::new(257, 1), Layout::Rgba, data).unwrap();
        let palette = Palette::new(&raster, &[]);
        assert_eq!(palette.transparent(), Some(255));
        assert_eq!(palette.indices(&raster)[256], 255);
    }
}
