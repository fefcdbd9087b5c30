// Question: which steps of a sequence matter, and can a layer of one's own learn to say so?
// Command:  make lesson-05            (ARGS="--long" and more, see --help)
// Seconds:  about 4
// Expected: on the document's data nobody learns anything, and the loss says which layer
//           averages more numbers; where one step has the answer, the right score finds it.
#include "experiments.h"
#include "formulas.h"
#include "lessons/support/heat_map.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/options.h"
#include "lessons/support/weights.h"

using namespace heed;
using namespace lesson_05;

struct Settings : CommonSettings {
  int seeds = 5, epochs = 10, verbose = 2;
  double lr = 0.01;
  bool long_runs = false;
  bool claims = true;  // the numbers of the text hold for these settings only
};

// ---- The document's run, beside its formulas

static void print_history(const FiveWays& ways) {
  std::string heading = "    epoch  always 1/2";
  for (const Answer& answer : ANSWERS) heading += formatted("  %10s", answer.name);
  say("%s", heading.c_str());
  for (size_t epoch = 0; epoch < ways.outcomes[0].losses.size(); ++epoch) {
    std::string row = formatted("    %5zu     %.5f", epoch + 1, ways.half);
    for (const Outcome& o : ways.outcomes) row += formatted("     %.5f", o.losses[epoch]);
    say("%s", row.c_str());
  }
}

// One line a seed: for each answer how much more than 1/2 it loses, and E(p - 1/2)^2.
static void print_seeds(const Settings& settings, const std::vector<FiveWays>& seeds) {
  say("Each seed: the last loss less that of always 1/2; E(p - 1/2)^2 on 20000 fresh inputs");
  std::string heading = "    seed  1/2    ", formulas = "    formula      ",
              far = "    farther than 0.001 from its formula:";
  for (size_t a = 0; a < std::size(ANSWERS); ++a) {
    double expected = ANSWERS[a].expected;
    heading += "   " + pad_right(ANSWERS[a].name, a + 1 < std::size(ANSWERS) ? 15 : 0);
    formulas += formatted("  %.5f  %.5f", expected, expected);
    auto is_far = [&](const FiveWays& f) { return std::abs(f.more(a) - expected) >= 0.001; };
    far += formatted("%s %s %d", a ? "," : "", ANSWERS[a].name,
                     int(std::count_if(seeds.begin(), seeds.end(), is_far)));
  }
  say("%s", heading.c_str());
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::string row = formatted("    %4lld  %.5f", (long long)(settings.seed + i), seeds[i].half);
    for (size_t a = 0; a < std::size(ANSWERS); ++a)
      row += formatted("  %.5f  %.5f", seeds[i].more(a), seeds[i].outcomes[a].excess);
    say("%s", row.c_str());
  }
  say("%s", formulas.c_str());
  say("%s of %d seeds", far.c_str(), int(seeds.size()));
}

// Returns the first seed's loss curves.
static std::vector<Series> five_ways(const Settings& settings, Checks& checks) {
  std::vector<FiveWays> seeds;
  for (int i = 0; i < settings.seeds; ++i)
    seeds.emplace_back(settings.seed + uint64_t(i), settings.epochs);
  const FiveWays& first = seeds[0];
  say("The same data, five ways to answer: loss of each epoch, seed %lld",
      (long long)settings.seed);
  print_history(first);
  say();
  print_seeds(settings, seeds);
  say("    sum of the squared weights, seed %lld:%s %.5f,%s %.4f,%s %.4f,%s %.4f",
      (long long)settings.seed, " document's", first.outcomes[0].squares, " bahdanau",
      first.outcomes[1].squares, " dot", first.outcomes[2].squares, " plain mean",
      first.outcomes[3].squares);
  // Of more seeds some are farther off: the loss is that of a sample.
  for (size_t i = 0; settings.claims && i < std::min<size_t>(5, seeds.size()); ++i)
    checks.check(seeds[i].near(0.001, 0.0002),
                 "seed %d: losses within 0.001 and E(p - 1/2)^2 within 0.0002 of the formulas",
                 int(i));
  say();

  std::vector<Series> curves = {
      {"always 1/2", std::vector<double>(first.outcomes[0].losses.size(), first.half)}};
  for (size_t a = 0; a < std::size(ANSWERS); ++a)
    curves.push_back({ANSWERS[a].name, first.outcomes[a].losses});
  return curves;
}

// ---- The tasks

// Of one experiment: its scores from every seed, and what the first seed's training left.
struct Row {
  Experiment experiment;
  std::vector<Score> scores;
  std::optional<Trained> first;

  double mean(double Score::*what) const {
    double sum = 0;
    for (const Score& s : scores) sum += s.*what;
    return sum / double(scores.size());
  }
  double least(double Score::*what) const {
    double least = scores[0].*what;
    for (const Score& s : scores) least = std::min(least, s.*what);
    return least;
  }
  double most(double Score::*what) const {
    double most = scores[0].*what;
    for (const Score& s : scores) most = std::max(most, s.*what);
    return most;
  }
  bool holds() const {
    const Bounds &loss = experiment.loss, &mass = experiment.mass;
    return least(&Score::loss) >= loss.least && most(&Score::loss) <= loss.greatest &&
           least(&Score::mass) >= mass.least && most(&Score::mass) <= mass.greatest;
  }
};

static Row run(const Settings& settings, const Experiment& experiment) {
  Row row{experiment, {}, {}};
  for (int i = 0; i < settings.seeds; ++i) {
    uint64_t seed = settings.seed + uint64_t(i);
    Data data(experiment, seed);
    Trained result = trained(experiment, data, seed, settings.epochs, settings.lr, i == 0);
    row.scores.push_back(result.score);
    if (i == 0) row.first = std::move(result);
  }
  return row;
}

static std::vector<Row> run_tasks(const Settings& settings, Checks& checks) {
  std::vector<Experiment> all = experiments();
  if (!settings.long_runs) std::erase_if(all, [](const Experiment& e) { return e.is_long; });
  say("Tasks: 4000 sequences, Adam(%g), batches of 32; fresh sequences, %d seed%s", settings.lr,
      settings.seeds, settings.seeds == 1 ? "" : "s");
  say("    %-24s %-10s %6s  %-19s %-17s %s", "task", "kind", "epochs", "loss (worst)",
      "mass (least)", "top, % (least)");
  std::vector<Row> rows;
  Progress bar("tasks", int64_t(all.size()));
  for (const Experiment& e : all) {
    rows.push_back(run(settings, e));
    const Row& row = rows.back();
    say("    %-24s %-10s %6d  %.6f (%.6f) %.4f (%.4f) %6.2f (%6.2f)", e.task, e.kind,
        settings.epochs * e.times, row.mean(&Score::loss), row.most(&Score::loss),
        row.mean(&Score::mass), row.least(&Score::mass), 100 * row.mean(&Score::top),
        100 * row.least(&Score::top));
    bar.step(e.task);
  }
  if (settings.claims)
    for (const Row& row : rows)
      checks.check(row.holds(), "%s, %s, %d epochs: loss %g to %g, mass %g to %g",
                   row.experiment.task, row.experiment.kind,
                   settings.epochs * row.experiment.times, row.experiment.loss.least,
                   row.experiment.loss.greatest, row.experiment.mass.least,
                   row.experiment.mass.greatest);
  say();
  return rows;
}

static Row& find(std::vector<Row>& rows, const std::string& task, const std::string& kind) {
  return *std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
    return row.experiment.task == task && row.experiment.kind == kind;
  });
}

// ---- Why

// middle: nothing tells step 4 from the others. ask without a query: the best that there is.
static void show_theory(std::vector<Row>& rows, const Settings& settings, Checks& checks) {
  Row &middle = find(rows, "middle", "bahdanau"), &ask = find(rows, "ask", "bahdanau");
  say("Why those fail that fail, seed %lld", (long long)settings.seed);
  say("    middle: equal weights have loss (1 - 1/T) / 12 = %.4f; trained: %.4f",
      loss_of_a_plain_mean(), middle.scores[0].loss);
  double best = loss_without_a_query(BEST_ON_QUESTION);
  NoGrad guard;
  Data data(ask.experiment, settings.seed);
  Tensor weights = ask.first->model.layer<KerasAttention>().attention(data.fresh.x);
  double on_question = double(mean(weights.select(1, 9)).item());
  say("    ask without a query: best weight on the question 16/44 = %.4f, loss %.4f, mass %.4f",
      BEST_ON_QUESTION, best, (1 - BEST_ON_QUESTION) / 9);
  say("    trained:                                           %.4f       %.4f       %.4f",
      on_question, ask.scores[0].loss, ask.scores[0].mass);
  if (settings.claims)
    checks.check(std::abs(on_question - BEST_ON_QUESTION) < 0.03 &&
                     std::abs(ask.scores[0].loss - best) < 0.002,
                 "ask, bahdanau: as good as can be without a query, and no better");
}

// flag by dot: the flag's score is the query times W's column of the flag, plus what is left.
static void show_coin(std::vector<Row>& rows, const Settings& settings, Checks& checks) {
  Row& row = find(rows, "flag, centred", "dot");
  Data data(row.experiment, settings.seed);
  NoGrad guard;
  KerasAttention& layer = row.first->model.layer<KerasAttention>();
  Tensor weights = layer.attention(data.fresh.x);
  Tensor pull = matmul(data.fresh.x.select(1, T - 1), layer.att_weight->select(0, 9));
  double mass[2] = {}, count[2] = {};
  for (int64_t i = 0; i < pull.numel(); ++i) {
    bool up = pull.at({i}) > 0;
    mass[up] += double(weights.at({i, data.fresh.where[size_t(i)]}));
    ++count[up];
  }
  say("    flag, centred, dot: the query raises the flag in %.0f %% of the sequences; mass "
      "there"
      " %.3f, elsewhere %.3f",
      100 * count[1] / (count[0] + count[1]), mass[1] / count[1], mass[0] / count[0]);
  if (settings.claims)
    checks.check(mass[1] / count[1] > 0.6 && mass[0] / count[0] < 0.1 && count[0] > 300,
                 "flag, centred, dot: a coin decides, since the query has either sign");
}

static Tensor weight_of(std::vector<Row>& rows, const char* task, const char* kind) {
  Model& model = find(rows, task, kind).first->model;
  return model.layer<KerasAttention>().att_weight->detach();
}
static double mean_size(const Tensor& x) { return double(mean(sqrt(pow(x, 2))).item()); }

// What was learned: by flag's bahdanau, the flag; by ask's dot, that keys look for their like.
static void show_weights(std::vector<Row>& rows, const Settings& settings, Checks& checks) {
  Tensor W = weight_of(rows, "flag", "bahdanau");
  say("    flag, bahdanau: mean |W| in the row of the flag %.2f, in the other rows %.2f",
      mean_size(W.narrow(0, 9, 1)), mean_size(W.narrow(0, 0, 9)));
  W = weight_of(rows, "ask", "dot");
  double diagonal = 0, others = 0;
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < 9; ++j)
      (i == j ? diagonal : others) += double(W.at({i, j})) / (i == j ? 9 : 72);
  say("    ask, dot: W of a key with itself %.2f, with others %.2f, of the mark with itself "
      "%.2f",
      diagonal, others, double(W.at({9, 9})));
  if (settings.claims)
    checks.check(diagonal > 2 && others < -2 && W.at({9, 9}) < -0.5,
                 "ask, dot: keys look for their like, and the question not for itself");
  say();

  HeatMap map;
  map.title = "ask, dot: the weight W";
  for (int i = 0; i < 16; ++i)
    map.keys.push_back(i < 9 ? formatted("k%d", i) : i == 9 ? "?" : formatted("v%d", i - 10));
  map.queries = map.keys;
  for (Scalar w : W.to_vector()) map.values.push_back(double(w));
  map.least = -3, map.greatest = 3;
  map.query_label = "step", map.key_label = "query", map.row_sums = false;
  write_svg(map, settings.out + "/weight.svg");
}

// ---- Figures

// Where the layer of a row looks in the first eight fresh sequences; a frame: where it should.
static HeatMap map_of(Row& row, uint64_t seed) {
  NoGrad guard;
  Data data(row.experiment, seed);
  Tensor x = data.fresh.x.narrow(0, 0, 8);
  HeatMap map;
  map.title = std::string(row.experiment.task) + ", " + row.experiment.kind;
  for (int t = 0; t < T; ++t) map.keys.push_back(formatted("%d", t));
  for (int i = 0; i < 8; ++i) {
    map.queries.push_back(formatted("%d", i));
    map.marks.push_back({size_t(i * T + data.fresh.where[size_t(i)]), "A"});
  }
  Tensor weights = row.first->model.layer<KerasAttention>().attention(x);
  for (Scalar w : weights.to_vector()) map.values.push_back(double(w));
  map.query_label = "sequence", map.key_label = "step";
  return map;
}

static void draw(std::vector<Row>& rows, const std::vector<Series>& curves,
                 const Settings& settings) {
  write_svg({"Five ways to answer what cannot be known",
             "epoch",
             "mean squared error",
             curves,
             0.08,
             {}},
            settings.out + "/loss.svg");
  std::vector<HeatMap> maps, centred;
  LineChart masses{"Weight on the step that has the answer", "epoch", "mass", {}, 0., 1.};
  for (const char* task : {"flag", "middle", "ask"})
    for (const char* kind : {"bahdanau", "dot"}) {
      Row& row = find(rows, task, kind);
      maps.push_back(map_of(row, settings.seed));
      masses.series.push_back({maps.back().title, row.first->masses});
    }
  for (const char* kind : {"bahdanau", "dot"})
    centred.push_back(map_of(find(rows, "flag, centred", kind), settings.seed));
  write_svg(maps, "Where they look (framed: the step with the answer)", 2,
            settings.out + "/attention.svg");
  write_svg(centred, "Flags among numbers from -1 to 1", 2, settings.out + "/centred.svg");
  write_svg(masses, settings.out + "/mass.svg");
  print(maps.back());
  say();
}

// ---- The lesson

static void mistakes(Checks& checks) {
  say("What the document gets wrong, and what gives it away");
  as_written(checks);
  dot_as_written(checks);
  exp_twice(checks);
  handed_on_mask(checks);
  say();
  say("Mistakes of others: softmax over time, in a guide of Keras");
  temporal_softmax(checks);
  say("AdditiveAttention and Attention of Keras");
  additive(checks);
  after_dropout(checks);
  say("Attention by a Dense layer over time");
  dense_over_time(checks);
  say();
}

static int lesson(const Settings& settings) {
  Checks checks;
  step_1(checks);
  step_2(checks);
  step_3(checks);
  step_4(checks);
  step_5(settings.seed, settings.epochs, settings.verbose);
  std::vector<Series> curves = five_ways(settings, checks);
  mistakes(checks);
  std::vector<Row> rows = run_tasks(settings, checks);
  show_theory(rows, settings, checks);
  show_coin(rows, settings, checks);
  show_weights(rows, settings, checks);
  draw(rows, curves, settings);

  std::vector<const Module*> models;
  for (const Row& row : rows) models.push_back(&row.first->model);
  int status = checks.finish();
  say_weights(models);
  return status;
}

int main(int argc, char** argv) {
  Settings settings;
  Options options("lesson-05", "An attention layer of one's own, compiled and fitted.",
                  settings);
  options.add("--epochs", settings.epochs, {1, 10000}, "epochs of each training");
  options.add("--lr", settings.lr, {0, 10}, "learning rate of the tasks");
  options.add("--seeds", settings.seeds, {1, 100}, "seeds that the tables are taken over");
  options.add("--verbose", settings.verbose, {0, 2},
              "what fit prints: 0 nothing, 1 a bar, 2 a line an epoch");
  options.add("--long", settings.long_runs, "also the tasks that need more epochs");
  return run_lesson(argc, argv, options, [&] {
    const Settings usual;
    settings.claims = settings.seed == usual.seed && settings.epochs == usual.epochs &&
                      settings.lr == usual.lr;
    return lesson(settings);
  });
}
