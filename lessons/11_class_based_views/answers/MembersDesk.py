import time

from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import AccessMixin, LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.utils.decorators import method_decorator
from django.views import View

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip


class Desk(View):
    async def get(self, request, pk):
        trip = await aget_object_or_404(Trip, pk=pk)
        return JsonResponse({"seats_left": trip.seats_left})

    async def post(self, request, pk):
        seats = Trip.objects.filter(pk=pk, seats_left__gt=0)
        taken = await seats.aupdate(seats_left=F("seats_left") - 1)
        return HttpResponse(status=201 if taken else 409)


@known_answer("MembersDesk")
class DecoratedAsyncDispatch(Desk):
    @method_decorator(login_required)
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", when="Where only some handlers of the class need a login.")
@method_decorator(login_required, name="get")
@method_decorator(login_required, name="post")
class EachHandlerDecorated(Desk):
    pass


@known_answer("MembersDesk", when="Where the class is not yours: the URL protects it.")
async def wrapped_as_in_urls(request, pk):
    return await login_required(Desk.as_view())(request, pk)


@known_answer(
    "MembersDesk",
    when="Where the class shall have its own login page, or a 403: the mixin has attributes for them.",
)
class AnswersWithTheAccessMixin(AccessMixin, Desk):
    async def dispatch(self, request, *args, **kwargs):
        if (await request.auser()).is_anonymous:
            return self.handle_no_permission()
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="something sync around them")
@method_decorator(login_required, name="dispatch")
class DecoratedSyncDispatch(Desk):
    pass


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="something sync around them")
class DjangosMixin(LoginRequiredMixin, Desk):
    pass


class Guard:
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", when="Where several classes need the same guard.")
class GuardToTheLeft(Guard, Desk):
    pass


@known_answer(
    "MembersDesk", breaks="sends_visitors_to_the_login", says="name `Guard` first among the parents"
)
class GuardToTheRight(Desk, Guard):
    pass


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="the visitor reached the handler")
class ACookieIsALogin(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if "sessionid" not in request.COOKIES:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="the visitor reached the handler")
class AnySessionIsALogin(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not await request.session.akeys():
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer(
    "MembersDesk", breaks="protects_every_handler", says="the handler ran, and the visitor was sent"
)
class HandlesAndThenAsks(Desk):
    async def dispatch(self, request, *args, **kwargs):
        response = await super().dispatch(request, *args, **kwargs)
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return response


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="`await` stands before")
class AwaitsTheRedirect(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return await redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="took `self` for the request")
class DecoratedAsAFunction(Desk):
    @login_required
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="the visitor reached the handler")
class AsksWhetherThereIsAUser(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not await request.auser():
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="the visitor reached the handler")
class RedirectNotReturned(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="got 401")
class Answers401(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return HttpResponse(status=401)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="`request.user` asks the database")
class ReadsRequestUser(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="something was called and not awaited")
class SuperNotAwaited(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="did not go through `dispatch`")
class HandsOnTheRequestOnly(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request)


@known_answer("MembersDesk", breaks="lets_ada_through", says="ended without a `return`")
class SuperNotReturned(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        await super().dispatch(request, *args, **kwargs)


@known_answer(
    "MembersDesk", breaks="protects_every_handler", says="the visitor reached the handler of `POST`"
)
@method_decorator(login_required, name="get")
class OnlyGetDecorated(Desk):
    pass


@known_answer("MembersDesk", breaks="still_refuses_other_methods", says="has no attribute 'delete'")
class CallsTheHandlerItself(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await getattr(self, request.method.lower())(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="leaves_the_loop_free", says="`time.sleep` holds the event loop")
class RestsBeforeItServes(DecoratedAsyncDispatch):
    async def get(self, request, pk):
        time.sleep(0.01)
        return await super().get(request, pk)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="the visitor reached the handler")
class BelievesTheSession(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not await request.session.ahas_key("_auth_user_id"):
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="got 302")
class ForTravellersAlone(Desk):
    async def dispatch(self, request, *args, **kwargs):
        user = await request.auser()
        if not user.is_authenticated or user.is_staff:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="for a trip that is gone")
class AnyErrorIsAMissingLogin(Desk):
    async def dispatch(self, request, *args, **kwargs):
        try:
            if not (await request.auser()).is_authenticated:
                raise PermissionDenied
            return await super().dispatch(request, *args, **kwargs)
        except Exception:
            return redirect_to_login(request.get_full_path())


EQUAL_MUTANTS = {
    "arg removal: return await super().dispatch(request, *args, **kwargs) → …(request, **kwargs)": "a route whose parts "
    "have names gives no positional arguments",
}
