// compile, fit, evaluate and predict.
#pragma once
#include "model.h"

namespace lesson_05 {

inline void Model::compile(const Compile& options) {
  compiled_ = options;
  optimizer_.reset();
}

inline Optimizer& Model::optimizer() {
  check_compiled("optimizer");
  if (!optimizer_) optimizer_ = compiled_->optimizer.make(named_parameters());
  return *optimizer_;
}

// ---- What cannot be worked with

inline void Model::check_compiled(const char* op) const {
  HEED_CHECK(compiled_, "[", op, "] the model is not compiled\n  first compile({.optimizer = ",
             "\"adam\", .loss = \"mean_squared_error\"})");
}

// Names the first number that is none.
inline void check_numbers(const char* op, const char* what, const Tensor& x) {
  std::vector<Scalar> numbers = x.to_vector();
  auto bad =
      std::find_if(numbers.begin(), numbers.end(), [](Scalar v) { return !std::isfinite(v); });
  if (bad == numbers.end()) return;
  int64_t at = bad - numbers.begin();
  Shape place = x.shape();
  for (int d = x.dim() - 1; d >= 0; --d) place[d] = at % x.size(d), at /= x.size(d);
  fail("[", op, "] ", what, " has ", *bad, " at ", place,
       "\n  one such number makes every weight NaN: mend the data first");
}

inline void Model::check_x(const char* op, const Tensor& x) const {
  HEED_CHECK(x.defined() && x.dim() >= 1 && x.shape().without(0) == input_, "[", op, "] x ",
             x.shape(), " does not fit the model's input ", with_batch(input_));
  HEED_CHECK(x.size(0) > 0, "[", op, "] x ", x.shape(), " has no examples");
  check_numbers(op, "x", x);
}

inline void Model::check_data(const char* op, const Tensor& x, const Tensor& y) const {
  check_compiled(op);
  check_x(op, x);
  HEED_CHECK(y.defined() && y.dim() >= 1 && y.size(0) == x.size(0), "[", op, "] x ", x.shape(),
             " and y ", y.shape(), " are not equally many");
  HEED_CHECK(!compiled_->loss.same_shapes || y.shape().without(0) == output_shape(), "[", op,
             "] y ", y.shape(), " does not fit the model's output ", with_batch(output_shape()),
             "\n  Keras would broadcast without a word");
  check_numbers(op, "y", y);
}

inline void check_run(const char* op, int batch_size, int verbose) {
  HEED_CHECK(batch_size >= 1, "[", op, "] batch_size ", batch_size, ": at least 1 wanted");
  HEED_CHECK(verbose >= 0 && verbose <= 2, "[", op, "] verbose ", verbose,
             ": 0 (nothing), 1 (a bar) or 2 (a line) wanted");
}

inline int batches_in(int64_t n, int batch_size) {
  return int((n + batch_size - 1) / batch_size);
}

// ---- One batch

// [snippet: step]
inline double Model::step(const Tensor& x, const Tensor& y, Means& means) {
  Tensor prediction = (*this)(x);
  Tensor loss = compiled_->loss.function(y, prediction);
  optimizer_->zero_grad();
  loss.backward();
  optimizer_->step();
  add(means, loss, y, prediction);
  return double(loss.item());
}

inline void Model::add(Means& means, const Tensor& loss, const Tensor& y,
                       const Tensor& prediction) const {
  NoGrad guard;
  double n = double(y.size(0));
  means.sums.resize(1 + compiled_->metrics.size());
  means.examples += n;
  means.sums[0] += n * double(loss.item());
  for (size_t i = 0; i < compiled_->metrics.size(); ++i)
    means.sums[i + 1] += n * double(compiled_->metrics[i].function(y, prediction).item());
}
// [end]

inline Logs Model::logs_of(const Means& means, const std::string& prefix) const {
  Logs logs;
  for (size_t i = 0; i < means.sums.size(); ++i)
    logs.values.push_back({prefix + (i == 0 ? "loss" : compiled_->metrics[i - 1].name),
                           means.sums[i] / means.examples});
  return logs;
}

inline double Model::train_on_batch(const Tensor& x, const Tensor& y) {
  check_data("train_on_batch", x, y);
  optimizer();
  train();
  Means means;
  return step(x, y, means);
}

// ---- fit

// What is left for training, as Keras rounds it.
inline int64_t training_share(int64_t n, double validation_split) {
  HEED_CHECK(validation_split >= 0 && validation_split < 1, "[fit] validation_split ",
             validation_split, ": a number from 0 up, and below 1, wanted");
  int64_t trained = int64_t(double(n) * (1 - validation_split));
  HEED_CHECK(trained > 0 && (trained < n || validation_split == 0), "[fit] validation_split ",
             validation_split, " of ", n, " examples leaves nothing on one side");
  return trained;
}

// [snippet: fit]
inline History Model::fit(const Tensor& x, const Tensor& y, const Fit& o) {
  check_run("fit", o.batch_size, o.verbose);
  HEED_CHECK(o.epochs >= 1, "[fit] epochs ", o.epochs, ": at least 1 wanted");
  check_data("fit", x, y);
  int64_t n = x.size(0), trained = training_share(n, o.validation_split), held = n - trained;
  optimizer();
  std::vector<int> order(static_cast<size_t>(trained));
  History history;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    if (o.verbose) say("Epoch %d/%d", epoch + 1, o.epochs);
    train();
    loader_order(default_generator(), order, o.shuffle);
    Means means;
    ProgressLine line(o.verbose, batches_in(trained, o.batch_size));
    train_epoch(x, y, order, o.batch_size, means, line);
    Logs logs = logs_of(means);
    if (held) {
      Means validation;
      evaluate(x.narrow(0, trained, held), y.narrow(0, trained, held), o.batch_size, validation,
               nullptr);
      for (auto& value : logs_of(validation, "val_").values) logs.values.push_back(value);
    }
    line.finish(logs);
    history.add(logs);
    bool stop = false;
    for (const Callback& callback : o.callbacks) {
      EpochEnd end{*this, epoch, logs};
      callback(end);
      stop = stop || end.stop;
    }
    if (stop) break;
  }
  return history;
}

inline void Model::train_epoch(const Tensor& x, const Tensor& y, std::span<const int> order,
                               int batch_size, Means& means, ProgressLine& line) {
  for (size_t first = 0; first < order.size(); first += size_t(batch_size)) {
    auto batch = order.subspan(first, std::min(order.size() - first, size_t(batch_size)));
    step(index_select(x, batch), index_select(y, batch), means);
    line.step([&] { return logs_of(means); });
  }
}
// [end]

// ---- evaluate and predict

inline void Model::evaluate(const Tensor& x, const Tensor& y, int batch_size, Means& means,
                            ProgressLine* line) {
  NoGrad guard;
  eval();
  for (int64_t first = 0; first < x.size(0); first += batch_size) {
    int64_t n = std::min<int64_t>(batch_size, x.size(0) - first);
    Tensor true_y = y.narrow(0, first, n), prediction = (*this)(x.narrow(0, first, n));
    add(means, compiled_->loss.function(true_y, prediction), true_y, prediction);
    if (line) line->step([&] { return logs_of(means); });
  }
}

inline Logs Model::evaluate(const Tensor& x, const Tensor& y, const Run& o) {
  check_run("evaluate", o.batch_size, o.verbose);
  check_data("evaluate", x, y);
  Means means;
  ProgressLine line(o.verbose, batches_in(x.size(0), o.batch_size));
  evaluate(x, y, o.batch_size, means, &line);
  line.finish(logs_of(means));
  return logs_of(means);
}

inline Tensor Model::predict(const Tensor& x, const Run& o) {
  check_run("predict", o.batch_size, o.verbose);
  check_x("predict", x);
  NoGrad guard;
  eval();
  std::vector<Tensor> parts;
  ProgressLine line(o.verbose, batches_in(x.size(0), o.batch_size));
  for (int64_t first = 0; first < x.size(0); first += o.batch_size) {
    int64_t n = std::min<int64_t>(o.batch_size, x.size(0) - first);
    parts.push_back((*this)(x.narrow(0, first, n)));
    line.step([] { return Logs(); });
  }
  line.finish({});
  return cat(parts, 0);
}

}  // namespace lesson_05
