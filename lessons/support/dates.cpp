#include "lessons/support/dates.h"
#include <chrono>
#include <set>
#include <string_view>
#include "autograd/check.h"
#include "lessons/support/text.h"

namespace heed {
namespace {

// The forms, each as it writes Tuesday, 3 February 1976: no two parts of this date look alike.
const char* const forms[] = {
    // day, month, year
    "3 February 1976", "03 February 1976", "3. February 1976", "3rd February 1976",
    "3rd of February 1976", "3rd of February, 1976", "the 3rd of February 1976", "3 Feb 1976",
    "3 Feb. 1976", "3 Feb '76", "3-Feb-1976", "03-Feb-76", "Tuesday 3 February 1976",
    "Tuesday, 3 February 1976", "Tuesday the 3rd of February, 1976", "Tue 3 Feb 1976",
    "Tue, 03 Feb 1976", "Tue 3rd Feb '76",
    // month, day, year
    "February 3 1976", "February 3, 1976", "February 3rd, 1976", "February the 3rd, 1976",
    "Feb 3 1976", "Feb 3, 1976", "Feb. 3, 1976", "Feb 3rd 1976", "Feb 3 '76", "Feb-03-1976",
    "Tuesday, February 3, 1976", "Tuesday February 3rd 1976", "Tue Feb 3 1976",
    "Tue, Feb 3, 1976",
    // year, month, day
    "1976 February 3", "1976, February 3rd", "1976 Feb 03", "1976-Feb-03",
    // numbers
    "2/3/1976", "02/03/1976", "2/3/76", "02/03/76", "Tue 2/3/76", "Tue, 2/3/1976",
    "Tuesday 02/03/1976", "3.2.1976", "03.02.1976", "3.2.76", "Tue 3.2.1976", "1976/2/3",
    "1976/02/03", "1976.2.3", "1976.02.03", "1976-2-3", "1976-02-03", "19760203"};
static_assert(std::size(forms) == DATE_FORMS);

const char* const months[] = {"January",   "February", "March",    "April",
                              "May",       "June",     "July",     "August",
                              "September", "October",  "November", "December"};
const char* const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                "Thursday", "Friday", "Saturday"};
const char* const joints[] = {"; ", " and ", " & "};

struct Day {
  int year, month, day, weekday;
  bool sept;
};

Day day_of_calendar(int number, bool sept) {
  namespace chrono = std::chrono;
  HEED_CHECK(number >= 0 && number < DATE_DAYS, "[dates] day ", number,
             ": the calendar has days 0 to ", DATE_DAYS - 1);
  chrono::sys_days days = chrono::sys_days(chrono::January / 1 / 1930) + chrono::days(number);
  chrono::year_month_day date(days);
  return {int(date.year()), int(unsigned(date.month())), int(unsigned(date.day())),
          int(chrono::weekday(days).c_encoding()), sept};
}

std::string two_digits(int number) {
  return {char('0' + number / 10), char('0' + number % 10)};
}

std::string ordinal(int n) {
  const int last = n > 10 && n < 20 ? 0 : n % 10;
  return std::to_string(n) + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

std::string short_month(const Day& d) {
  return d.sept && d.month == 9 ? "Sept" : std::string(months[d.month - 1], 3);
}

// The parts of a date: how a form shows them, what they tell, and how they are written. A part
// that begins like another one comes before it.
struct Part {
  std::string_view shown;
  Span WrittenDate::*span;  // nullptr: a weekday, which tells nothing that the date does not
  std::string (*write)(const Day&);
};
const Part parts[] = {
    {"1976", &WrittenDate::year, [](const Day& d) { return std::to_string(d.year); }},
    {"76", &WrittenDate::year, [](const Day& d) { return two_digits(d.year % 100); }},
    {"February", &WrittenDate::month,
     [](const Day& d) { return std::string(months[d.month - 1]); }},
    {"Feb", &WrittenDate::month, short_month},
    {"02", &WrittenDate::month, [](const Day& d) { return two_digits(d.month); }},
    {"2", &WrittenDate::month, [](const Day& d) { return std::to_string(d.month); }},
    {"3rd", &WrittenDate::day, [](const Day& d) { return ordinal(d.day); }},
    {"03", &WrittenDate::day, [](const Day& d) { return two_digits(d.day); }},
    {"3", &WrittenDate::day, [](const Day& d) { return std::to_string(d.day); }},
    {"Tuesday", nullptr, [](const Day& d) { return std::string(weekdays[d.weekday]); }},
    {"Tue", nullptr, [](const Day& d) { return std::string(weekdays[d.weekday], 3); }}};

const Part* part_at(std::string_view form) {
  for (const Part& part : parts)
    if (form.substr(0, part.shown.size()) == part.shown) return &part;
  return nullptr;
}

// ASCII only, whatever the locale.
std::string in_case(std::string text, char first, char last, int step) {
  for (char& c : text)
    if (c >= first && c <= last) c = char(c + step);
  return text;
}
std::string lower(const std::string& text) { return in_case(text, 'A', 'Z', 'a' - 'A'); }
std::string upper(const std::string& text) { return in_case(text, 'a', 'z', 'A' - 'a'); }

// Puts a date behind what the line already has.
void append(DateLine& line, const WrittenDate& date, const std::string& iso) {
  const int start = int(line.source.size());
  for (char c : std::string_view("yyyy-mm-dd")) {
    Span span = c == 'y' ? date.year : c == 'm' ? date.month : date.day;
    line.spans.push_back(c == '-' ? Span() : Span{span.first + start, span.last + start});
  }
  line.source += date.text;
  line.target += iso;
}

std::vector<int> ids_of(const std::string& text, const Vocabulary& vocabulary) {
  std::vector<int> ids;
  for (const std::string& character : characters(text)) {
    ids.push_back(vocabulary.find(character));
    HEED_CHECK(ids.back() >= 0, "[date_example] '", character, "' in \"", text,
               "\": no date has this character");
  }
  return ids;
}

}  // namespace

WrittenDate write_date(int day, int form, bool sept) {
  HEED_CHECK(form >= 0 && form < DATE_FORMS, "[dates] form ", form, ": there are forms 0 to ",
             DATE_FORMS - 1);
  const Day date = day_of_calendar(day, sept);
  WrittenDate result;
  for (std::string_view rest = forms[form]; !rest.empty();) {
    const Part* part = part_at(rest);
    if (!part) {  // a blank, a comma, "of", ...
      result.text += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    const int first = int(result.text.size());
    result.text += part->write(date);
    if (part->span) result.*part->span = {first, int(result.text.size())};
    rest.remove_prefix(part->shown.size());
  }
  return result;
}

std::string iso_date(int day) {
  const Day date = day_of_calendar(day, false);
  return std::to_string(date.year) + '-' + two_digits(date.month) + '-' + two_digits(date.day);
}

bool is_test_day(int day) { return day % 10 == 7; }

// Draws, in this order: the case; for each date the joint before it (none before the first),
// days until one is of the right kind, the form, and a coin for Sept.
DateLine draw_date_line(Generator& random, Days days, int dates) {
  HEED_CHECK(dates > 0, "[draw_date_line] ", dates, " dates: a line has at least one");
  const double letters = random.uniform53();
  DateLine line;
  for (int i = 0; i < dates; ++i) {
    if (i > 0) {
      line.source += joints[random.randint(0, std::ssize(joints))];
      line.target += ' ';
      line.spans.push_back({});
    }
    int day;
    do {
      day = int(random.randint(0, DATE_DAYS));
    } while (is_test_day(day) != (days == Days::test));
    const int form = int(random.randint(0, DATE_FORMS));
    append(line, write_date(day, form, random.bernoulli(0.5)), iso_date(day));
  }
  if (letters >= 0.5) line.source = letters < 0.9 ? lower(line.source) : upper(line.source);
  return line;
}

std::vector<DateLine> test_date_lines(int count, int dates) {
  constexpr int most = 100000;  // a fifth of the lines that there are with one date
  HEED_CHECK(count >= 0 && count <= most, "[test_date_lines] ", count, " lines: 0 to ", most,
             " can be had");
  Generator random(1930);
  std::set<std::string> sources;
  std::vector<DateLine> lines;
  while (int(lines.size()) < count) {
    DateLine line = draw_date_line(random, Days::test, dates);
    if (sources.insert(line.source).second) lines.push_back(std::move(line));
  }
  return lines;
}

const Vocabulary& date_source_vocabulary() {
  static const Vocabulary vocabulary = [] {
    std::string text = "0123456789 st nd th";
    for (const char* form : forms) text += form;
    for (const char* name : months) text += name;
    for (const char* name : weekdays) text += name;
    for (const char* joint : joints) text += joint;
    text += lower(text) + upper(text);
    std::vector<std::string> words = {"<pad>"};
    for (char c : std::set<char>(text.begin(), text.end())) words.emplace_back(1, c);
    return Vocabulary(words);
  }();
  return vocabulary;
}

const Vocabulary& date_target_vocabulary() {
  static const Vocabulary vocabulary = [] {
    std::vector<std::string> words = {"<pad>", "<bos>", "<eos>"};
    for (char c : std::string_view("0123456789- ")) words.emplace_back(1, c);
    return Vocabulary(words);
  }();
  return vocabulary;
}

Example date_example(const DateLine& line) {
  return {ids_of(line.source, date_source_vocabulary()),
          ids_of(line.target, date_target_vocabulary())};
}

}  // namespace heed
