// The number type. The library is compiled twice from one source: `Scalar` is float, or double
// where HEED_DOUBLE is defined. The two live in different inline namespaces, so that objects of
// different precision never link by mistake.
#pragma once

#ifdef HEED_DOUBLE
#define HEED_PRECISION f64
#else
#define HEED_PRECISION f32
#endif

namespace heed {
inline namespace HEED_PRECISION {
#ifdef HEED_DOUBLE
using Scalar = double;
#else
using Scalar = float;
#endif
}  // namespace HEED_PRECISION
}  // namespace heed
