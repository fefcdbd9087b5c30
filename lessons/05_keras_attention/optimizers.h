// Optimizers as Keras has them, and the choice of one by its name.
#pragma once
#include <cmath>
#include <memory>
#include <heed.h>

namespace lesson_05 {
using namespace heed;

// Keras's defaults. PyTorch's Adam has epsilon = 1e-8, in another place; its SGD lr = 0.001.
struct KerasAdam {
  double learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
};
struct KerasSGD {
  double learning_rate = 0.01;
};

// [snippet: adam]
// m = m + (1 - beta_1) (g - m),  v = v + (1 - beta_2) (g^2 - v)
// p = p - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
// PyTorch adds its epsilon to sqrt(v / (1 - beta_2^t)). Here v is not divided: in the first
// step epsilon is then worth 1 / sqrt(1 - beta_2) = 32 times as much.
class AdamOfKeras : public Optimizer {
 public:
  AdamOfKeras(Parameters parameters, const KerasAdam& options)
      : Optimizer("adam", std::move(parameters), options.learning_rate,
                  {"momentum", "velocity"}),
        o_(options) {
    for (double beta : {o_.beta_1, o_.beta_2})
      HEED_CHECK(beta >= 0 && beta < 1, "[adam] beta ", beta, " is not in 0 ... 1");
    HEED_CHECK(o_.epsilon >= 0 && std::isfinite(o_.epsilon), "[adam] epsilon ", o_.epsilon,
               ": a finite number from 0 up is wanted");
  }

 private:
  void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n, int64_t t) override {
    auto power = [t](double beta) { return beta == 0 ? 0 : exact::pow(beta, double(t)); };
    Scalar alpha = Scalar(lr * std::sqrt(1 - power(o_.beta_2)) / (1 - power(o_.beta_1)));
    Scalar b1 = Scalar(1 - o_.beta_1), b2 = Scalar(1 - o_.beta_2), eps = Scalar(o_.epsilon);
    Scalar *m = state[0], *v = state[1];
    for (int64_t i = 0; i < n; ++i) {
      m[i] += b1 * (g[i] - m[i]);
      v[i] += b2 * (g[i] * g[i] - v[i]);
      p[i] -= alpha * m[i] / (std::sqrt(v[i]) + eps);
    }
  }

  KerasAdam o_;
};
// [end]

// What compile() takes: .optimizer = "adam", or KerasAdam{.learning_rate = 0.01}.
struct OptimizerChoice {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(Optimizer::Parameters)> make;

  OptimizerChoice(const KerasAdam& options)
      : name("adam"), make([options](Optimizer::Parameters parameters) {
          return std::make_unique<AdamOfKeras>(std::move(parameters), options);
        }) {}
  OptimizerChoice(const KerasSGD& options)
      : name("sgd"), make([options](Optimizer::Parameters parameters) {
          return std::make_unique<SGD>(std::move(parameters),
                                       SGDOptions{.lr = options.learning_rate});
        }) {}
  OptimizerChoice(const char* wanted) : OptimizerChoice(by_name(wanted)) {}

 private:
  static OptimizerChoice by_name(const std::string& wanted) {
    HEED_CHECK(wanted == "adam" || wanted == "sgd", "[compile] unknown optimizer '", wanted,
               "'; known: adam, sgd");
    return wanted == "adam" ? OptimizerChoice(KerasAdam()) : OptimizerChoice(KerasSGD());
  }
};

}  // namespace lesson_05
