// Rows of a DataStore table in JavaScript.

const { CKAN_URL: site, RESOURCE_ID: resource } = process.env;

const found = async (action, parameters) => {
  const answer = await fetch(`${site}/api/3/action/${action}?${new URLSearchParams(parameters)}`);
  return (await answer.json()).result;
};

const words = await found("datastore_search", { resource_id: resource, limit: 5, q: "서울" });
console.log("words", words.total, words.records[0].city);

const filters = JSON.stringify({ year: [2024, 2025] });
const conditions = await found("datastore_search", { resource_id: resource, filters, sort: "people desc" });
console.log("conditions", conditions.total, conditions.records[0].city);

const sql = `SELECT city, SUM(people) AS people FROM "${resource}" WHERE city LIKE '부%' GROUP BY city`;
const statement = await found("datastore_search_sql", { sql });
console.log("statement", statement.records[0].people);
