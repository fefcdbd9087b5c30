// The task of lessons 04 and 06: dates as people write them, and as ISO 8601 writes them.
//
//   Thu, 03 May 1979             1979-05-03
//   6/18/05 & the 2nd of may 2011      2005-06-18 2011-05-02
//
// The calendar has 36,525 days, 1930-01-01 to 2029-12-31: two digits of a year leave no doubt.
// Each can be written in 54 forms, and no text has two meanings. Slashes are month/day/year and
// dots day.month.year, unless a year of four digits comes first; then month and day follow.
#pragma once
#include <string>
#include <vector>
#include "autograd/random.h"
#include "lessons/support/examples.h"
#include "lessons/support/vocabulary.h"

namespace heed {

// Characters [first, last) of a text; none when both are equal.
struct Span {
  int first = 0, last = 0;
  bool operator==(const Span&) const = default;
};

// A span for each character of the target: the piece of the source that it is read from (year,
// month, or day with its "rd"). None for '-' and for the blank between dates.
struct DateLine {
  std::string source, target;
  std::vector<Span> spans;
};

// Every tenth day of the calendar is for tests: training lines never have it, in any form.
enum class Days { training, test };

// A line of one or more dates, joined by "; ", " and " or " & ". Days, forms and joints have
// even odds. Half of the lines are as written, 40 % in lower case, 10 % in UPPER CASE.
DateLine draw_date_line(Generator& random, Days days, int dates = 1);

// The first `count` lines of a list that never changes. No two have the same source.
std::vector<DateLine> test_date_lines(int count, int dates = 1);

// "<pad>", then every character that a source can have: 63.
const Vocabulary& date_source_vocabulary();
// "<pad>", "<bos>", "<eos>", the digits, '-' and ' ': 15.
const Vocabulary& date_target_vocabulary();

// The line as ids, a character each. A target may be empty: one that is yet to be found.
Example date_example(const DateLine& line);

// ---- One date

constexpr int DATE_DAYS = 36525, DATE_FORMS = 54;

// A day of the calendar, 0 to 36,524, in one form. September's short name is Sep or Sept.
struct WrittenDate {
  std::string text;
  Span year, month, day;
};
WrittenDate write_date(int day, int form, bool sept = false);

std::string iso_date(int day);
bool is_test_day(int day);

}  // namespace heed
