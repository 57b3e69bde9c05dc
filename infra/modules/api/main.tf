# An HTTP API in front of `ingest` and `analyze`.

locals {
  # Routes for senders and readers only: `/metrics`, `/readyz` and others require no authentication in the function.
  routes = {
    "POST /ingest"          = "ingest"
    "POST /api/v1/write"    = "ingest"
    "POST /v1/metrics"      = "ingest"
    "POST /write"           = "ingest"
    "POST /api/v2/write"    = "ingest"
    "POST /api/v3/write_lp" = "ingest"
    "POST /firehose"        = "ingest"
    "POST /cloudevents"     = "ingest"
    "GET /analyze"          = "analyze"
    "POST /analyze"         = "analyze"
    "GET /anomalies"        = "analyze"
    "GET /episodes"         = "analyze"
    "GET /alerts"           = "analyze"
    "POST /alerts/preview"  = "analyze"
    "GET /series"           = "analyze"
    "DELETE /series"        = "analyze"
    "GET /series/samples"   = "analyze"
    "GET /series/config"    = "analyze"
    "PUT /series/config"    = "analyze"
    "DELETE /series/config" = "analyze"
    "GET /explain"          = "analyze"
    "GET /feedback"         = "analyze"
    "POST /feedback"        = "analyze"
    "DELETE /feedback"      = "analyze"
    "GET /openapi.json"     = "analyze"
  }

  authorization_type = { iam = "AWS_IAM", jwt = "JWT", keys = "NONE" }[var.authorization]
}

resource "aws_cloudwatch_log_group" "access" {
  # checkov:skip=CKV_AWS_338:The user chooses the retention
  # checkov:skip=CKV_AWS_158:Logs are always encrypted, with the user's key if `kms` sets one
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Tidemark: samples in, verdicts out"
  protocol_type = "HTTP"
  tags          = var.tags
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count            = var.authorization == "jwt" ? 1 : 0
  api_id           = aws_apigatewayv2_api.this.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt.issuer
    audience = var.jwt.audience
  }
}

resource "aws_apigatewayv2_integration" "function" {
  for_each               = var.functions
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = each.value.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  # checkov:skip=CKV_AWS_309:IAM by default; with `keys` the function checks API keys, and does not start without entries
  for_each           = local.routes
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.function[each.value].id}"
  authorization_type = local.authorization_type
  authorizer_id      = one(aws_apigatewayv2_authorizer.jwt[*].id)
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.rate_per_s
    throttling_burst_limit   = var.burst
    detailed_metrics_enabled = true
  }

  # Contains no address, header or query of a caller, which could identify series of other tenants.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId        = "$context.requestId"
      routeKey         = "$context.routeKey"
      status           = "$context.status"
      responseLatency  = "$context.responseLatency"
      integrationError = "$context.integrationErrorMessage"
    })
  }
  tags = var.tags
}

resource "aws_lambda_permission" "this" {
  for_each      = var.functions
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = each.value.name
  qualifier     = each.value.alias_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}
