// What all optimizers share: the parameters with their names, zero_grad(), step(), saved state.
//
// An optimizer holds handles on a model's parameters. Moving the model keeps them; a copy of the
// model is not trained. Unlike PyTorch's, it does not pass over a parameter without gradient in
// silence: step() says which one it is. Set requires_grad_(false) on what shall stay as it is.
#pragma once
#include <string>
#include <utility>
#include <vector>
#include "autograd/tensor.h"
#include "layers/module.h"

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

  // Numbers kept from step to step, named "exp_avg.0.weight" after quantity and parameter.
  // save() of layers/module.h writes them to a file.
  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);

 protected:
  Optimizer(const char* name, Parameters parameters, double lr,
            std::vector<const char*> quantities);
  virtual void before_step() {}
  // p: parameter of n numbers, g: its gradient, state: one array for each quantity
  virtual void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n) = 0;

  int64_t steps = 0;

 private:
  void check_ready() const;

  const char* name_;
  Parameters parameters_;
  std::vector<const char*> quantities_;
  std::vector<std::vector<Tensor>> state_;  // [parameter][quantity], zeros at the start
};

}  // namespace HEED_PRECISION
}  // namespace heed
