import asyncio
import csv
import io
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Review

COLUMNS = ["id", "trip", "author", "rating", "text"]


ATTACHED = {"Content-Disposition": 'attachment; filename="reviews.csv"'}


def as_csv(*rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def csv_file(lines, headers=ATTACHED):
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def row(review):
    return [review.pk, review.trip.title, review.author.username, review.rating, review.text]


def reviews_with_relations():
    return Review.objects.order_by("pk").select_related("trip", "author")


class Echo:
    def write(self, line):
        return line


NAMES = ("pk", "trip__title", "author__username", "rating", "text")


@known_answer("reviews_csv")
async def values_through_an_echo(request):
    rows = Review.objects.order_by("pk").values(*NAMES)
    writer = csv.writer(Echo())

    async def lines():
        yield writer.writerow(COLUMNS)
        async for values in rows.aiterator(chunk_size=500):
            yield writer.writerow(values.values())

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="`values_list(…).aiterator()` runs its query")
async def values_list_in_portions(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for values in Review.objects.order_by("pk").values_list(*NAMES).aiterator():
            yield as_csv(values)

    return csv_file(lines())


@known_answer("reviews_csv", when="Where a piece for each line costs too much: a hundred of them are one.")
async def a_hundred_lines_at_a_time(request):
    reviews = Review.objects.order_by("pk").prefetch_related("trip", "author")

    async def chunks():
        rows = [COLUMNS]
        async for review in reviews.aiterator(chunk_size=1000):
            rows.append(row(review))
            if len(rows) == 100:
                yield as_csv(*rows)
                rows.clear()
        yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv", when="Where no query shall stay open while a slow partner reads.")
async def one_page_of_the_table_after_another(request):
    def page(after):
        return [row(review) for review in reviews_with_relations().filter(pk__gt=after)[:1000]]

    async def chunks():
        yield as_csv(COLUMNS)
        after = 0
        while rows := await sync_to_async(page)(after):
            after = rows[-1][0]
            yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="Content-Type: text/html")
async def no_content_type(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            yield as_csv(row(review))

    return StreamingHttpResponse(lines(), headers=ATTACHED)


@known_answer("reviews_csv", breaks="is_a_csv_file", says="used directly in the event loop")
async def sync_loop_in_the_generator(request):
    async def lines():
        yield as_csv(COLUMNS)
        for review in reviews_with_relations().iterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="used directly in the event loop")
async def lazy_relations(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in Review.objects.order_by("pk").aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="it was not called")
async def hands_over_the_function(request):
    async def lines():
        yield as_csv(COLUMNS)

    return csv_file(lines)


@known_answer("reviews_csv", breaks="has_all_reviews", says='expected ["id"')
async def no_head(request):
    async def lines():
        async for review in reviews_with_relations().aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="quotes_texts", says="was taken for the end of a field or of a line")
async def joined_with_commas(request):
    async def lines():
        yield ",".join(COLUMNS) + "\n"
        async for review in reviews_with_relations().aiterator():
            key, trip, author, rating, text = row(review)
            yield f'{key},"{trip}",{author},{rating},"{text}"\n'

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="reads a sync iterator to its end")
async def a_sync_generator(request):
    def lines():
        yield as_csv(COLUMNS)
        for review in reviews_with_relations().iterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="the answer came in one piece")
async def an_ordinary_response(request):
    rows = [row(review) async for review in reviews_with_relations().aiterator()]
    return HttpResponse(as_csv(COLUMNS, *rows), content_type="text/csv", headers=ATTACHED)


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="a QuerySet keeps what it has read")
async def no_aiterator(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="sends_few_queries", says="a query is sent for each of the")
async def a_query_for_each_author(request):
    def row_with_author(review):
        return row(review)

    async def lines():
        yield as_csv(COLUMNS)
        async for review in Review.objects.order_by("pk").select_related("trip").aiterator():
            yield as_csv(await sync_to_async(row_with_author)(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="sends_few_queries", says="larger portions")
async def small_pages(request):
    def page(after):
        return [row(review) for review in reviews_with_relations().filter(pk__gt=after)[:25]]

    async def chunks():
        yield as_csv(COLUMNS)
        after = 0
        while rows := await sync_to_async(page)(after):
            after = rows[-1][0]
            yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected [")
async def ordered_by_the_trip(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().order_by("trip_id", "pk").aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="a portion that is as large as the table")
async def a_portion_as_large_as_the_table(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator(chunk_size=10_000):
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv")
async def one_review_after_another_from_a_thread(request):
    async def lines():
        yield as_csv(COLUMNS)
        reviews = reviews_with_relations().iterator()
        while (review := await sync_to_async(next)(reviews, None)) is not None:
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected [")
async def the_newest_first(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().order_by("-pk").aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="the whole table was in memory")
async def a_list_first(request):
    reviews = [review async for review in reviews_with_relations().aiterator()]

    async def lines():
        yield as_csv(COLUMNS)
        for review in reviews:
            yield as_csv(row(review))

    return csv_file(lines())


doors = WeakKeyDictionary()


@known_answer("reviews_csv", breaks="holds_up_nobody", says="got")
async def one_file_at_a_time(request):
    door = doors.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    whole = await values_through_an_echo(request)

    async def lines():
        async with door:
            async for line in whole:
                yield line

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected")
async def without_those_that_say_nothing(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().exclude(text="").aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected")
async def without_what_surrounds_a_text(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            yield as_csv([*row(review)[:-1], review.text.strip()])

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="the whole file, of 2501 lines")
async def the_first_thousand(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations()[:1000].aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv")
async def everything_in_quotes(request):
    async def lines():
        writer = csv.writer(Echo(), quoting=csv.QUOTE_ALL)
        yield writer.writerow(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            yield writer.writerow(row(review))

    return csv_file(lines())


names_of_authors = {}


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected")
async def remembers_the_names_of_authors(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            name = names_of_authors.setdefault(review.author_id, review.author.username)
            yield as_csv([review.pk, review.trip.title, name, review.rating, review.text])

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="with 0 reviews")
async def no_head_without_a_review(request):
    async def lines():
        head = as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            yield head + as_csv(row(review))
            head = ""

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="with 1 review")
async def forgets_a_review_that_is_left_alone(request):
    async def chunks():
        yield as_csv(COLUMNS)
        rows = []
        async for review in reviews_with_relations().aiterator():
            rows.append(row(review))
            if len(rows) == 97:
                yield as_csv(*rows)
                rows.clear()
        if len(rows) > 1:
            yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv", breaks="has_all_reviews", says="lines")
async def ends_where_keys_are_missing(request):
    async def lines():
        yield as_csv(COLUMNS)
        first = 1
        while rows := [
            review async for review in reviews_with_relations().filter(pk__range=(first, first + 499))
        ]:
            yield as_csv(*map(row, rows))
            first += 500

    return csv_file(lines())


buffer_of_all_files = io.StringIO()


@known_answer("reviews_csv", breaks="holds_up_nobody", says="while another one asks")
async def one_buffer_for_all_files(request):
    def emptied():
        block = buffer_of_all_files.getvalue()
        buffer_of_all_files.seek(0)
        buffer_of_all_files.truncate()
        return block

    async def lines():
        writer = csv.writer(buffer_of_all_files)
        writer.writerow(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            writer.writerow(row(review))
            yield emptied()
        yield emptied()

    return csv_file(lines())


@known_answer(
    "reviews_csv",
    when="Where a file of hours must not keep one query open: each page begins after the last key.",
)
async def pages_that_begin_after_a_key(request):
    async def lines():
        yield as_csv(COLUMNS)
        last = 0
        while page := [review async for review in reviews_with_relations().filter(pk__gt=last)[:500]]:
            yield as_csv(*map(row, page))
            last = page[-1].pk

    return csv_file(lines())


@known_answer("reviews_csv", breaks="has_all_reviews", says="expected [")
async def without_authors_who_have_left(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().filter(author__is_active=True).aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


EQUAL_MUTANTS = {
    'call in a chain: reviews = Review.objects.order_by("pk")…': "`Review` itself orders by its key",
}
