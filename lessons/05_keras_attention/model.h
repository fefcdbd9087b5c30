// A model as Keras users know it: layers one after the other, compile, fit, evaluate, predict,
// summary, save and load.
#pragma once
#include <algorithm>
#include "layers.h"
#include "losses.h"
#include "optimizers.h"
#include "progress.h"
#include "summary.h"

namespace lesson_05 {

class Model;

// The shape of one example: Input({10, 10}).
struct Input {
  Shape shape;
  explicit Input(const Shape& shape) : shape(shape) {}
};

struct Compile {
  OptimizerChoice optimizer;  // "adam", "sgd", KerasAdam{...}, KerasSGD{...}
  Loss loss;                  // "mean_squared_error", "mse", "mae", ..., or a function
  std::vector<Loss> metrics = {};
};

// What a callback gets after each epoch. It may end the training.
struct EpochEnd {
  Model& model;
  int epoch;         // from 0
  const Logs& logs;  // logs["loss"], logs["val_loss"], ...
  bool stop = false;
};
using Callback = std::function<void(EpochEnd&)>;

// [snippet: options]
// Keras's defaults.
struct Fit {
  int epochs = 1, batch_size = 32;
  double validation_split = 0;  // this share at the end of the data is held out
  bool shuffle = true;          // the rest, anew in each epoch
  int verbose = 1;              // 0 nothing, 1 a bar, 2 a line an epoch
  std::vector<Callback> callbacks = {};
};
// [end]
struct Run {  // of evaluate() and predict()
  int batch_size = 32, verbose = 1;
};

// history["loss"][i]: of epoch i
struct History {
  std::vector<std::pair<std::string, std::vector<double>>> history;

  void add(const Logs& logs) {
    if (history.empty())
      for (auto& [name, value] : logs.values) history.push_back({name, {}});
    for (size_t i = 0; i < history.size(); ++i)
      history[i].second.push_back(logs.values[i].second);
  }
  const std::vector<double>& operator[](const std::string& name) const {
    std::string known;
    for (auto& [key, values] : history) {
      if (key == name) return values;
      known += (known.empty() ? "" : ", ") + key;
    }
    fail("[history] no '", name, "' here; there are: ", known);
  }
};

class Model : public Module {
 public:
  // Model model(Input({10, 10}), Masking(), KerasAttention("dot"));
  template <class... L> explicit Model(const Input& input, L... layers) : input_(input.shape) {
    (layers_.push_back(std::make_unique<L>(std::move(layers))), ...);
    build_all();
  }
  void fields(Fields& visit) override {
    for (auto& layer : layers_) visit(layer->name.c_str(), *layer);
  }

  void compile(const Compile& options);
  History fit(const Tensor& x, const Tensor& y, const Fit& options = {});
  // The loss of this batch, before the step that it makes.
  double train_on_batch(const Tensor& x, const Tensor& y);
  Logs evaluate(const Tensor& x, const Tensor& y, const Run& options = {});
  Tensor predict(const Tensor& x, const Run& options = {});
  Tensor operator()(const Tensor& x) { return run(x, layers_.size()).x; }
  std::string summary() const;

  // The weights, and the optimizer's state if there is one, under the names that Keras has for
  // them. load() changes nothing unless all fits; a model that is not compiled takes the
  // weights only.
  void save(const std::string& path) const;
  void load(const std::string& path);

  // The first layer of a type, and what arrives there.
  template <class L> L& layer() { return dynamic_cast<L&>(*layers_[place_of<L>()]); }
  struct Arriving {
    Tensor x, mask;
  };
  template <class L> Arriving input_of(const Tensor& x) { return run(x, place_of<L>()); }

  Optimizer& optimizer();
  const Shape& output_shape() const { return shapes_.back(); }

 private:
  // Losses and metrics so far; each batch counts by its size.
  struct Means {
    std::vector<double> sums;
    double examples = 0;
  };

  void build_all();
  void name(Layer& layer) const;
  void try_out();
  static Arriving through(Layer& layer, const Arriving& at);
  Arriving run(const Tensor& x, size_t layers);
  double step(const Tensor& x, const Tensor& y, Means& means);
  void train_epoch(const Tensor& x, const Tensor& y, std::span<const int> order, int batch_size,
                   Means& means, ProgressLine& line);
  void evaluate(const Tensor& x, const Tensor& y, int batch_size, Means& means,
                ProgressLine* line);
  void add(Means& means, const Tensor& loss, const Tensor& y, const Tensor& prediction) const;
  Logs logs_of(const Means& means, const std::string& prefix = "") const;
  void check_x(const char* op, const Tensor& x) const;
  void check_data(const char* op, const Tensor& x, const Tensor& y) const;
  void check_compiled(const char* op) const;
  void load_optimizer(const StateDict& file);

  template <class L> size_t place_of() const {
    for (size_t i = 0; i < layers_.size(); ++i)
      if (dynamic_cast<L*>(layers_[i].get())) return i;
    fail("[model] it has no such layer");
  }

  Shape input_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Shape> shapes_;  // of each layer's output, without the batch
  std::optional<Compile> compiled_;
  std::unique_ptr<Optimizer> optimizer_;  // made when it is first needed
};

}  // namespace lesson_05
