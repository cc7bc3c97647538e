import asyncio
import itertools
import shutil
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from tutorial_project.checks import known_answer


def created(name, size):
    return JsonResponse({"name": name, "size": size}, status=201)


NO_PHOTO = {"error": "no photo"}


@known_answer(
    "save_photo",
    when="Where all that the view does is sync: Django runs it in a thread, from its first line on.",
)
@csrf_exempt
def a_sync_view(request):
    if "photo" not in request.FILES:
        return JsonResponse(NO_PHOTO, status=400)
    photo = request.FILES["photo"]
    return created(default_storage.save(photo.name, photo, max_length=60), photo.size)


@known_answer(
    "save_photo",
    when="Where something async is to be done between two chunks, such as to tell how far it is.",
)
@csrf_exempt
async def chunk_by_chunk(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    name = await asyncio.to_thread(default_storage.get_available_name, photo.name[-60:])
    file = await asyncio.to_thread(open, Path(settings.MEDIA_ROOT) / name, "xb")
    try:
        chunks = photo.chunks()
        while chunk := await asyncio.to_thread(next, chunks, b""):
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    return created(name, photo.size)


@known_answer("save_photo")
@csrf_exempt
async def three_crossings(request):
    files = await sync_to_async(lambda: request.FILES)()
    if not (photo := files.get("photo")):
        return JsonResponse(NO_PHOTO, status=400)
    name = await sync_to_async(default_storage.save)(photo.name, photo, max_length=60)
    return created(name, await sync_to_async(default_storage.size)(name))


def wrong_saving(breaks, says, *, where=asyncio.to_thread):
    """A view that is right but for the function that saves, whose name it takes, or where that runs."""

    def make(save):
        @csrf_exempt
        async def view(request):
            photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
            if photo is None:
                return JsonResponse(NO_PHOTO, status=400)
            return created(await where(save, photo), photo.size)

        view.__name__ = save.__name__
        return known_answer("save_photo", breaks=breaks, says=says)(view)

    return make


async def on_the_loop(save, photo):
    return save(photo)


def save_in_storage(photo):
    return default_storage.save(photo.name, photo, max_length=60)


@wrong_saving("saves_the_photo", "had been read to its end before it was saved")
def a_second_read(photo):
    photo.read()
    return default_storage.save(photo.name, ContentFile(photo.read()))


@wrong_saving("saves_the_photo", "temporary_file_path")
def a_path_that_only_large_files_have(photo):
    shutil.move(photo.temporary_file_path(), Path(settings.MEDIA_ROOT) / photo.name)
    return photo.name


@wrong_saving("keeps_both", "written over the first")
def overwrites(photo):
    Path(settings.MEDIA_ROOT, photo.name).write_bytes(photo.read())
    return photo.name


@wrong_saving("writes_in_a_thread", "a blocking call holds the event loop", where=on_the_loop)
def saves_on_the_loop(photo):
    return save_in_storage(photo)


@wrong_saving("writes_in_a_thread", "a blocking call holds the event loop", where=on_the_loop)
def writes_by_hand_on_the_loop(photo):
    name = default_storage.get_available_name(photo.name)
    with open(Path(settings.MEDIA_ROOT) / name, "xb") as file:
        for chunk in photo.chunks():
            file.write(chunk)
    return name


@known_answer("save_photo", breaks="saves_the_photo", says="something was called and not awaited")
@csrf_exempt
async def forgets_to_await(request):
    photo = await asyncio.to_thread(lambda: request.FILES["photo"])
    return created(asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="asks_for_a_photo", says="raises for a field that did not come")
@csrf_exempt
async def takes_the_field_for_granted(request):
    photo = await asyncio.to_thread(lambda: request.FILES["photo"])
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="parses_in_a_thread", says="the first look at `request.FILES`")
@csrf_exempt
async def parses_on_the_loop(request):
    photo = request.FILES.get("photo")
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)


@wrong_saving("shortens_long_names", "the disk refuses so long a name")
def takes_a_name_as_it_came(photo):
    return default_storage.save(photo.name, photo)


class Latest:
    photo = None


@known_answer("save_photo", breaks="saves_several_at_once", says="and four others at once")
@csrf_exempt
async def keeps_the_photo_where_all_requests_write(request):
    Latest.photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if Latest.photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    name = await asyncio.to_thread(lambda: save_in_storage(Latest.photo))
    return created(name, Latest.photo.size)


@known_answer("save_photo", breaks="keeps_both", says="the answer tells the name that was sent")
@csrf_exempt
async def answers_with_the_name_that_was_sent(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    await asyncio.to_thread(save_in_storage, photo)
    return created(photo.name[-60:], photo.size)


@wrong_saving("saves_the_photo", "expected")
def cuts_every_name_to_twenty(photo):
    return default_storage.save(photo.name, photo, max_length=20)


@wrong_saving("shortens_long_names", "the disk refuses so long a name")
def counts_three_bytes_for_a_letter(photo):
    return default_storage.save(photo.name, photo, max_length=80)


@known_answer("save_photo", breaks="asks_for_a_photo", says="'str' object has no attribute")
@csrf_exempt
async def takes_a_text_for_a_photo(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo") or request.POST.get("photo"))
    if not photo:
        return JsonResponse(NO_PHOTO, status=400)
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="parses_in_a_thread", says="a blocking call holds the event loop")
@csrf_exempt
async def reads_the_photo_on_the_loop(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    photo.file = ContentFile(photo.read())
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="keeps_both", says="the photo of before, whose name begins alike")
@csrf_exempt
async def cuts_a_long_name_and_writes(request):
    def save():
        if (photo := request.FILES.get("photo")) is None:
            return JsonResponse(NO_PHOTO, status=400)
        if len(photo.name) <= 60:
            return created(default_storage.save(photo.name, photo), photo.size)
        (Path(settings.MEDIA_ROOT) / photo.name[:60]).write_bytes(photo.read())
        return created(photo.name[:60], photo.size)

    return await asyncio.to_thread(save)


@known_answer("save_photo", breaks="keeps_both", says="while two others send a lisbon.jpg, too")
@csrf_exempt
async def written_aside_and_renamed(request):
    def save():
        if (photo := request.FILES.get("photo")) is None:
            return JsonResponse(NO_PHOTO, status=400)
        part = default_storage.save("part", photo)
        name = default_storage.get_available_name(photo.name, max_length=60)
        Path(default_storage.path(part)).rename(default_storage.path(name))
        return created(name, photo.size)

    return await asyncio.to_thread(save)


@known_answer("save_photo")
@csrf_exempt
async def written_aside_and_linked(request):
    def save():
        if (photo := request.FILES.get("photo")) is None:
            return JsonResponse(NO_PHOTO, status=400)
        part = Path(default_storage.path(default_storage.save("part", photo)))
        stem, ending = Path(photo.name).stem[:40], Path(photo.name).suffix[:10]
        for number in itertools.count():
            name = f"{stem}_{number}{ending}" if number else stem + ending
            try:
                part.with_name(name).hardlink_to(part)
            except FileExistsError:
                continue
            part.unlink()
            return created(name, photo.size)

    return await asyncio.to_thread(save)


EQUAL_MUTANTS = {
    "decorator: @csrf_exempt → nothing": "the line stands above the gap already, and the requests of a check pass no CSRF "
    "middleware",
    "arg removal: name = default_storage.save(photo.name, photo, max_length=60) → …(None, photo, max_length=60)": "a "
    "storage that gets no name takes that of the file",
    "number: name = … → …max_length=61)": "any length will do that a disk takes",
    "one less: name = … → …max_length=59)": "any length will do that a disk takes",
}


@wrong_saving("keeps_both", "while two others send a lisbon.jpg, too")
def looks_for_a_free_name_and_writes(photo):
    place, number = Path(settings.MEDIA_ROOT) / photo.name[-60:], 0
    while place.exists():
        number += 1
        place = place.with_name(f"{number}_{photo.name[-60:]}")
    with open(place, "wb") as file:
        for chunk in photo.chunks():
            file.write(chunk)
    return place.name


@known_answer("save_photo", breaks="saves_the_photo", says="nobody waits for the thread that writes it")
@csrf_exempt
async def answers_before_it_is_written(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    name = await asyncio.to_thread(default_storage.get_available_name, photo.name, 60)
    writing = asyncio.create_task(asyncio.to_thread(default_storage.save, name, photo, max_length=60))
    still_writing.add(writing)
    return created(name, photo.size)


still_writing = set()


@known_answer("save_photo")
@csrf_exempt
async def a_name_that_is_tried_again(request):
    def save():
        photo = request.FILES.get("photo")
        if photo is None:
            return JsonResponse(NO_PHOTO, status=400)
        for number in itertools.count():
            name = f"{number or ''}{photo.name[-60:]}"
            try:
                with open(Path(settings.MEDIA_ROOT) / name, "xb") as file:
                    file.writelines(photo.chunks())
            except FileExistsError:
                continue
            return created(name, photo.size)

    return await asyncio.to_thread(save)
