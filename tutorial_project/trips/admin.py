"""The trips app in Django's admin."""

from django.contrib import admin
from django.contrib.contenttypes.admin import GenericTabularInline

from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip


class NoteInline(GenericTabularInline):
    model = Note
    extra = 0


@admin.register(Destination)
class DestinationAdmin(admin.ModelAdmin):
    list_display = ["name", "country"]
    list_filter = ["country"]
    search_fields = ["name", "country"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Theme)
class ThemeAdmin(admin.ModelAdmin):
    search_fields = ["name"]


@admin.register(Trip)
class TripAdmin(admin.ModelAdmin):
    list_display = ["title", "destination", "departs", "nights", "price", "seats_left", "active"]
    list_filter = ["active", "themes", "destination"]
    list_select_related = ["destination"]
    search_fields = ["title", "destination__name"]
    date_hierarchy = "departs"
    autocomplete_fields = ["destination", "guide", "themes"]
    inlines = [NoteInline]


@admin.register(Booking)
class BookingAdmin(admin.ModelAdmin):
    list_display = ["id", "trip", "traveller", "seats", "created_at"]
    list_select_related = ["trip", "traveller"]
    search_fields = ["trip__title", "traveller__username"]
    autocomplete_fields = ["trip", "traveller"]
    readonly_fields = ["created_at"]


@admin.register(Review)
class ReviewAdmin(admin.ModelAdmin):
    list_display = ["id", "trip", "author", "rating"]
    list_filter = ["rating"]
    list_select_related = ["trip", "author"]
    search_fields = ["trip__title", "author__username", "text"]
    autocomplete_fields = ["trip", "author"]


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    list_display = ["id", "owner", "balance"]
    list_select_related = ["owner"]
    search_fields = ["owner__username"]
    autocomplete_fields = ["owner"]


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ["id", "content_type", "object_id", "text"]
    list_select_related = ["content_type"]
    search_fields = ["text"]
