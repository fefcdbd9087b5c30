// Losses and metrics by name, as Keras calls them, or as functions of one's own.
#pragma once
#include <functional>
#include <heed.h>

namespace lesson_05 {
using namespace heed;

// Keras's order: first what is true, then what was predicted. One number.
using LossFunction = std::function<Tensor(const Tensor& y_true, const Tensor& y_pred)>;

inline void check_same_shape(const char* name, const Tensor& y_true, const Tensor& y_pred) {
  HEED_CHECK(y_true.shape() == y_pred.shape(), "[", name, "] y ", y_true.shape(),
             " and prediction ", y_pred.shape(), " differ\n  Keras would broadcast without a ",
             "word, and compare each number with several");
}

inline Tensor mean_squared_error(const Tensor& y_true, const Tensor& y_pred) {
  check_same_shape("mean_squared_error", y_true, y_pred);
  return mse_loss(y_pred, y_true);
}

// The slope of |e| at 0 is 0, as in Keras.
inline Tensor mean_absolute_error(const Tensor& y_true, const Tensor& y_pred) {
  check_same_shape("mean_absolute_error", y_true, y_pred);
  Tensor error = y_pred - y_true;
  return mean(relu(error) + relu(-error));
}

// A loss or a metric: .loss = "mse", .metrics = {"mae"}, .loss = a function
struct Loss {
  std::string name;
  LossFunction function;
  bool same_shapes = true;  // y has to have the output's shape

  Loss(const char* name) : name(name) {
    std::string word = name;
    if (word == "mse" || word == "mean_squared_error") function = mean_squared_error;
    if (word == "mae" || word == "mean_absolute_error") function = mean_absolute_error;
    HEED_CHECK(function, "[compile] unknown loss or metric '", name,
               "'; known: mean_squared_error (mse), mean_absolute_error (mae)");
  }
  template <class F>
  requires std::is_invocable_r_v<Tensor, F, const Tensor&, const Tensor&> Loss(F f)
      : name("function"), function(std::move(f)), same_shapes(false) {}
};

}  // namespace lesson_05
