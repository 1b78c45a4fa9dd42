//! Tensors from views, and the memory that they are written into.

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::Session,
    value::Tensor,
};

use super::manifest::{ChannelOrder, InputSpec};
use crate::{geometry::Size, photo::RgbView};

/// Where a session's inputs are written, one after the other.
pub(super) enum InputRoom {
    /// Grows as needed.
    Heap(Vec<f32>),
    /// Locked in place, so that a graphics processor fetches it by itself and without a copy in between.
    Pinned(Tensor<f32>),
}

impl InputRoom {
    /// Room for `values` that CUDA can read.
    ///
    /// # Errors
    /// If the session's providers have no such memory.
    pub fn pinned(session: &Session, values: usize) -> Result<Self, ort::Error> {
        let memory = MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, MemoryType::CPUInput)?;
        let allocator = Allocator::new(session, memory)?;
        Tensor::new(&allocator, [values]).map(Self::Pinned)
    }

    /// A tensor `[count, 3, height, width]` of the views, float32, planar, filled up with the padding's value.
    pub fn fill(
        &mut self,
        views: &[RgbView],
        count: usize,
        padded: Size,
        spec: &InputSpec,
    ) -> Result<&[f32], ort::Error> {
        let values = count * 3 * padded.pixels() as usize;
        let room = match self {
            Self::Heap(room) => {
                room.resize(values, 0.0);
                &mut room[..]
            }
            Self::Pinned(tensor) => {
                let (_, room) = tensor.try_extract_tensor_mut::<f32>()?;
                let held = room.len();
                room.get_mut(..values).ok_or_else(|| {
                    ort::Error::new(format!("expected an input of at most {held} values, found {values}"))
                })?
            }
        };
        write(room, views, padded, spec);
        Ok(room)
    }
}

/// `room` is as long as a whole number of padded views.
fn write(room: &mut [f32], views: &[RgbView], padded: Size, spec: &InputSpec) {
    let (width, plane) = (padded.width as usize, padded.pixels() as usize);
    let value = |byte: u8, channel: usize| (f32::from(byte) - spec.mean[channel]) * spec.scale[channel];
    for (number, plane) in room.chunks_exact_mut(plane).enumerate() {
        plane.fill(value(spec.pad_value, number % 3));
    }
    let order = match spec.channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    for (view, target) in views.iter().zip(room.chunks_exact_mut(3 * plane)) {
        let row_bytes = view.size.width as usize * 3;
        for (y, row) in view.rgb.chunks_exact(row_bytes).enumerate() {
            for (channel, source) in order.into_iter().enumerate() {
                let start = channel * plane + y * width;
                let target = &mut target[start..start + view.size.width as usize];
                for (target, pixel) in target.iter_mut().zip(row.chunks_exact(3)) {
                    *target = value(pixel[source], channel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_planar_padded_and_in_the_model_s_channel_order() {
        let view = RgbView { size: Size::new(2, 1), rgb: vec![1, 2, 3, 4, 5, 6] };
        let spec = InputSpec::bytes(ChannelOrder::Bgr, 4, 9);
        let mut room = InputRoom::Heap(vec![7.0; 100]);
        let input = room.fill(&[view], 2, Size::new(2, 2), &spec).unwrap();
        assert_eq!(input[..12], [3., 6., 9., 9., 2., 5., 9., 9., 1., 4., 9., 9.]);
        assert_eq!(input[12..], [9.; 12], "the batch is filled up with nothing");
        let spec = InputSpec { mean: [1.0, 2.0, 3.0], scale: [2.0, 1.0, 0.5], ..spec };
        let view = RgbView { size: Size::new(1, 1), rgb: vec![1, 2, 3] };
        assert_eq!(room.fill(&[view], 1, Size::new(2, 1), &spec).unwrap(), [4., 16., 0., 7., -1., 3.]);
    }
}
