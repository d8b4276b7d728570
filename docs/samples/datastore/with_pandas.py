"""A DataStore table as a data frame."""

import os

import pandas
import requests

SITE, RESOURCE = os.environ["CKAN_URL"], os.environ["RESOURCE_ID"]

whole = pandas.read_csv(f"{SITE}/datastore/dump/{RESOURCE}?bom=true", index_col="_id")
print("dump", len(whole), int(whole["people"].sum()))

found = requests.get(f"{SITE}/api/3/action/datastore_search", params={"resource_id": RESOURCE, "fields": "year,people"}).json()["result"]
years = pandas.DataFrame(found["records"]).groupby("year")["people"].sum()
print("records", int(years[2025]))
