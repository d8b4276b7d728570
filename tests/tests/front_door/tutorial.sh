# The cURL lines of the D.Hub tutorial (v0.1.0), as they stand there. A blank line separates two calls.

curl -X POST https://{host}/api/v1/auth/login \
-H "Content-Type: application/json" \
-d '{
"username": "your-username",
"password": "your-password"
}'

curl -X POST https://{host}/api/v1/collections \
-H "Authorization: Bearer ${TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "서울시 교통 분석",
"description": "서울시 교통 데이터 수집 및 분석 프로젝트"
}'

curl -X POST https://{host}/api/v1/datasets \
-H "Authorization: Bearer ${TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "교통량 데이터",
"description": "서울시 주요 도로 교통량 측정 데이터",
"collection_id": "'${COLLECTION_ID}'"
}'

curl -X POST https://{host}/api/v1/tables/${DATASET_ID}/upload \
-H "Authorization: Bearer ${TOKEN}" \
-F "file=@traffic_data.csv"

curl -X GET "https://{host}/api/v1/tables/${DATASET_ID}?page=1&page_size=10" \
-H "Authorization: Bearer ${TOKEN}"

curl -X POST https://{host}/api/v1/pipelines \
-H "Authorization: Bearer ${TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "교통량 일별 집계",
"description": "도로별 일일 교통량을 집계하는 파이프라인",
"collection_id": "'${COLLECTION_ID}'"
}'

curl -X POST https://{host}/api/v1/pipelines/${PIPELINE_ID}/run \
-H "Authorization: Bearer ${TOKEN}" \
-H "Content-Type: application/json" \
-d '{}'

curl -X GET https://{host}/api/v1/batches/${BATCH_ID} \
-H "Authorization: Bearer ${TOKEN}"

curl -X GET "https://{host}/api/v1/traces?pipeline_id=${PIPELINE_ID}&batch_id=${BATCH_ID}" \
-H "Authorization: Bearer ${TOKEN}"
