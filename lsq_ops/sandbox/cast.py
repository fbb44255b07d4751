"""Who and what the seeded world is made of: people, leads, activity types, phrases."""

from __future__ import annotations

import uuid
from typing import NamedTuple

NAMESPACE = uuid.UUID("5a9d0b0e-6c0f-4a53-9d56-0d5b3c7e2b11")


def stable_id(name: str) -> str:
    """The same name has the same GUID in every world, whatever its seed."""
    return str(uuid.uuid5(NAMESPACE, name))


def mailbox(first: str, last: str) -> str:
    return f"{first}.{last}@sandboxhomes.example".lower()


ORGANISATION = {"OrgId": stable_id("org"), "OrgShortCode": "30114", "OrgDisplayName": "Sandbox Homes"}

# first name, last name, role, active
USERS = (
    ("Meera", "Iyer", "Administrator", True),
    ("Rahul", "Verma", "Sales_User", True),
    ("Sneha", "Kulkarni", "Sales_Manager", True),
    ("Tobias", "Lindqvist", "Sales_User", True),
    ("Farah", "Sheikh", "Sales_User", True),
    ("Daniel", "Okafor", "Marketing_User", True),
    ("Nikhil", "Rao", "Sales_User", False),
    ("Priya", "Nambiar", "Sales_User", False),
)
KEY_USER_ID, BULK_OWNER_ID = stable_id("user:Meera Iyer"), stable_id("user:Nikhil Rao")
BULK_TASKS, BULK_LEADS = 12_000, 40

CUSTOM, CALL, OWNER_CHANGE, STAGE_CHANGE, SYSTEM = 2, 3, 25, 26, 1
# code -> (name, ActivityType). 285 has a custom type's number but is posted by an app: nobody may delete it.
ACTIVITY_TYPES = {
    102: ("Brochure requested", CUSTOM),
    163: ("Walk-in enquiry", CUSTOM),
    164: ("Feedback form", CUSTOM),
    166: ("Event attended", CUSTOM),
    201: ("Site visit", CUSTOM),
    202: ("Phone follow-up", CUSTOM),
    203: ("Demo booked", CUSTOM),
    204: ("Demo held", CUSTOM),
    205: ("Quotation sent", CUSTOM),
    206: ("Negotiation", CUSTOM),
    207: ("Documents collected", CUSTOM),
    208: ("WhatsApp message", CUSTOM),
    285: ("Website chat", 30),
    1: ("Email Link Clicked", SYSTEM),
    21: ("Inbound Phone Call Activity", CALL),
    22: ("Outbound Phone Call Activity", CALL),
    23: ("Lead Capture", SYSTEM),
}
# Audit codes and opportunities are missing from ActivityTypes.Get, as on real accounts.
UNLISTED_TYPES = {
    3001: ("LeadAssigned", OWNER_CHANGE),
    3002: ("StageChange", STAGE_CHANGE),
    12000: ("Opportunity", CUSTOM),
}
EVERYDAY_CODES = (102, 163, 164, 166, 202, 203, 204, 205, 206, 207, 208)
# code -> the fewest and the most of them on an ordinary lead
EVERYDAY_NUMBERS = {22: (0, 8), 21: (0, 3), 23: (1, 1), 285: (0, 2), 12000: (0, 1), 3001: (2, 6), 3002: (1, 5)}
STAGES = ("Prospect", "Contacted", "Site visit done", "Negotiation", "Booked", "Lost")
SOURCES = ("Website", "Walk-in", "Referral", "Property fair", "Google Ads")
CITIES = ("Bengaluru", "Pune", "Hyderabad", "Chennai", "Kochi", "Mumbai")

NOTES = (
    "Wants a corner flat, asked for the floor plan",
    "Visited with her parents, liked tower B",
    "No answer, try again in the evening",
    "Asked for a better price on parking",
    "Sent the price list by e-mail",
    "Bank papers still missing",
    "Prefers a call after 18:00",
    "Compared with two other projects",
    "Second visit, took measurements",
    "",
)
TASK_NAMES = (
    "Call back about the quotation",
    "Send the brochure",
    "Confirm the site visit",
    "Collect the PAN card copy",
    "Check loan approval with the bank",
    "Wish happy birthday",
)

TASK_KINDS = ("Follow-Up", "Meeting", "Phone Call")


class Friend(NamedTuple):
    """`counts`: event code -> number of activities; `recent_visits` of those of code 201 are of last week."""

    first: str
    last: str
    email: str
    phone: str
    recent_visits: int
    counts: dict[int, int]


# With last week's visits Asha, Bruno and Chen would lose little of their history, Divya most of it.
FRIENDS = {
    "asha": Friend(
        "Asha", "Menon", "asha.menon@example.com", "+91-9845011201", 12,
        {201: 18, 202: 20, 203: 6, 205: 10, 208: 16, 21: 2, 22: 8, 23: 1, 3001: 4, 3002: 3, 12000: 1},
    ),
    "bruno": Friend(
        "Bruno", "Castelli", "bruno.castelli@example.com", "+39 055 555 0142", 14,
        {201: 19, 202: 14, 203: 3, 206: 5, 164: 4, 22: 6, 3001: 5, 3002: 4, 12000: 2},
    ),
    "chen": Friend(
        "Chen", "Wei", "chen.wei@example.com", "(415) 555-0173", 13,
        {201: 20, 202: 8, 204: 4, 208: 6, 22: 4, 3001: 3, 3002: 2},
    ),
    "divya": Friend(
        "Divya", "Rajan", "divya.rajan@example.com", "080-4155-0188", 12,
        {201: 13, 202: 1, 3001: 2, 3002: 1},
    ),
}  # fmt: skip

HOSTILE_NAMES = (
    ("<script>alert('lead')</script>", "O'Brien & <b>Sons</b>"),
    ("=cmd|' /C calc'!A0", "+SUM(1+1)"),
    ("\u202eגדעון", "Levi\u202c"),
    ("🦄🎉", "Ünïcødé"),
    ("Maximiliana" * 25, "Long"),
    ("", ""),
    ("Robert'); DROP TABLE leads;--", "Tables"),
    ("  two  spaces ", "tab\tand\nbreak"),
    ("李", "小龍"),
    ("{{ 7*7 }}", "%s {0} ${x}"),
)
SHARED_PHONE = "+91-9900112233"
SHARERS = (("Ravi", "Shetty"), ("Anita", "Shetty"))
FIRST_NAMES = (
    "Aarav", "Ishita", "Kabir", "Lakshmi", "Manoj", "Neha", "Omkar", "Pooja", "Rohan", "Sara", "Tara", "Uday",
    "Vikram", "Yasmin", "Zubin", "Elena", "Jonas", "Amara", "Kenji", "Lucia", "Hannah", "Mateo",
)  # fmt: skip
LAST_NAMES = (
    "Patil", "Reddy", "Fernandes", "Ghosh", "Banerjee", "Chopra", "D'Souza", "Joshi", "Khan", "Mehta",
    "Pillai", "Saxena", "Thomas", "Varghese", "Bauer", "Novak", "Adeyemi", "Tanaka", "Rossi",
)  # fmt: skip
