// What all optimizers share: the parameters with their names, zero_grad(), step(), saved state.
//
// An optimizer holds handles on a model's parameters. Moving the model keeps them; a copy of
// the model is not trained. Unlike PyTorch's, it does not pass over a parameter without
// gradient in silence: step() says which one it is. Set requires_grad_(false) on what shall
// stay as it is.
#pragma once
#include <string>
#include <utility>
#include <vector>
#include "autograd/tensor.h"
#include "layers/state_dict.h"

namespace heed {
inline namespace HEED_PRECISION {

class Optimizer {
 public:
  using Parameters = std::vector<std::pair<std::string, Tensor>>;

  double lr;  // the learning rate; a schedule writes it before each step

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;

  void zero_grad();
  // Changes every parameter by its gradient.
  void step();

  // Numbers kept from step to step: "exp_avg.0.weight", after quantity and parameter, and the
  // count of steps, "step.0.weight". save() of layers/state_dict.h writes them to a file.
  StateDict state_dict() const;
  // Throws, before anything changes, if the state is not that of such an optimizer.
  void load_state_dict(const StateDict& state);

 protected:
  // `quantities`: what the optimizer keeps for each number of a parameter, by PyTorch's names
  Optimizer(const char* name, Parameters parameters, double lr,
            std::vector<const char*> quantities);
  // p: a parameter of n numbers, g: its gradient, state: one array for each quantity, zeros at
  // the start, t: the steps that this parameter has taken, this one included
  virtual void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n,
                      int64_t t) = 0;

 private:
  struct Trained {
    std::string name;
    Tensor parameter;
    std::vector<Tensor> state;  // one a quantity
    int64_t steps = 0;          // its own count: it may have been frozen
  };
  void add(const std::string& name, const Tensor& parameter);
  void check_ready() const;

  const char* name_;
  std::vector<const char*> quantities_;
  std::vector<Trained> trained_;
};

}  // namespace HEED_PRECISION
}  // namespace heed
