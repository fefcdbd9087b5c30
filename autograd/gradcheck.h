// The numerical check of a derivative. Use it on functions of your own:
//
//   Tensor x = rand({3, 4}).requires_grad_();
//   gradcheck("softplus", [](const auto& in) { return log(1 + exp(in[0])); }, {x});
//
// It compares the gradient from backward() with differences of the function itself, for every
// element of every input. What is differentiated is L = sum(c f(x)) with fixed random c, never
// the plain sum of outputs: the sum of a softmax is constant, so a backward that returns zeros
// would pass.
#pragma once
#include <functional>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

// inputs: leaves that require a gradient, row-major. Their numbers are moved a little and put
// back, and their gradients are left as they were. What f only captures, as a layer's parameters,
// is not checked, and is left with a gradient: hand it over as an input, too. f is called often,
// each time with the default generator in the same state, so dropout draws the same mask. Keep
// away from kinks and ties: relu at 0 has no derivative.
//
// Returns the largest difference, relative to the largest gradient over all inputs (1e-3 at
// least). Throws if it exceeds the tolerance, and says where. Needs the double build.
double gradcheck(const std::string& name, const Function& f, const std::vector<Tensor>& inputs,
                 double tolerance = 1e-7);

}  // namespace HEED_PRECISION
}  // namespace heed
