SwaggerUIBundle({
  dom_id: "#viewer",
  url: "/openapi.json",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
});
