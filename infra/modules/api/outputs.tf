output "id" {
  description = "Of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Where it answers."
  value       = aws_apigatewayv2_api.this.api_endpoint
}
