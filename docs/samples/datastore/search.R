# Rows of a DataStore table in R, with httr and jsonlite.

library(httr)
library(jsonlite)

site <- Sys.getenv("CKAN_URL")
resource <- Sys.getenv("RESOURCE_ID")

# Words, by GET.
answer <- GET(paste0(site, "/api/3/action/datastore_search"), query = list(resource_id = resource, limit = 5, q = "서울"))
stop_for_status(answer)
found <- fromJSON(content(answer, as = "text", encoding = "UTF-8"))$result
cat("words", found$total, found$records$city[1], "\n")

# Conditions, by POST.
body <- list(resource_id = resource, filters = list(year = c(2024, 2025)), sort = "people desc")
answer <- POST(paste0(site, "/api/3/action/datastore_search"), body = body, encode = "json")
found <- content(answer)$result
cat("conditions", found$total, found$records[[1]]$city, "\n")

# A statement.
statement <- sprintf("SELECT city, SUM(people) AS people FROM \"%s\" WHERE city LIKE '부%%' GROUP BY city", resource)
answer <- GET(paste0(site, "/api/3/action/datastore_search_sql"), query = list(sql = statement))
found <- fromJSON(rawToChar(answer$content))$result
cat("statement", format(as.numeric(found$records$people[1]), scientific = FALSE), "\n")

# The whole table, once as JSON read straight from the address and once as CSV.
rows <- fromJSON(paste0(site, "/api/3/action/datastore_search?limit=1000&resource_id=", resource))$result$records
cat("records", nrow(rows), sum(rows$people), "\n")
dump <- read.csv(paste0(site, "/datastore/dump/", resource), fileEncoding = "UTF-8")
cat("dump", nrow(dump), sum(dump$people), "\n")
