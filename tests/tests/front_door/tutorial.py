# The Python program of the D.Hub tutorial (v0.1.0), as it stands there.
import requests

HOST = "https://{host}"

login_response = requests.post(
    f"{HOST}/api/v1/auth/login",
    json={"username": "your-username", "password": "your-password"},
)
tokens = login_response.json()
headers = {"Authorization": f"Bearer {tokens['access_token']}"}

collection = requests.post(
    f"{HOST}/api/v1/collections",
    headers=headers,
    json={
        "name": "서울시 교통 분석",
        "description": "서울시 교통 데이터 수집 및 분석 프로젝트",
    },
).json()
collection_id = collection["id"]

dataset = requests.post(
    f"{HOST}/api/v1/datasets",
    headers=headers,
    json={
        "name": "교통량 데이터",
        "description": "서울시 주요 도로 교통량 측정 데이터",
        "collection_id": collection_id,
    },
).json()
dataset_id = dataset["id"]

with open("traffic_data.csv", "rb") as f:
    upload = requests.post(
        f"{HOST}/api/v1/tables/{dataset_id}/upload",
        headers=headers,
        files={"file": ("traffic_data.csv", f, "text/csv")},
    )

table_data = requests.get(
    f"{HOST}/api/v1/tables/{dataset_id}",
    headers=headers,
    params={"page": 1, "page_size": 10},
).json()

pipeline = requests.post(
    f"{HOST}/api/v1/pipelines",
    headers=headers,
    json={
        "name": "교통량 일별 집계",
        "description": "도로별 일일 교통량을 집계하는 파이프라인",
        "collection_id": collection_id,
    },
).json()
pipeline_id = pipeline["id"]

run = requests.post(
    f"{HOST}/api/v1/pipelines/{pipeline_id}/run",
    headers=headers,
    json={},
).json()
batch_id = run["batch_id"]

import time

while True:
    batch = requests.get(
        f"{HOST}/api/v1/batches/{batch_id}",
        headers=headers,
    ).json()

    print(f"상태: {batch['status']}")
    if batch["status"] in ("completed", "failed"):
        break
    time.sleep(3)

traces = requests.get(
    f"{HOST}/api/v1/traces",
    headers=headers,
    params={"pipeline_id": pipeline_id, "batch_id": batch_id},
).json()
