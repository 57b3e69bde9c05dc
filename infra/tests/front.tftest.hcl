# Access to the functions: API and network.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "tidemark"
  tags               = { Project = "tidemark" }
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days = 30
  authorization      = "iam"
  jwt                = null
  rate_per_s         = 100
  burst              = 200
  functions = {
    ingest  = { name = "tidemark-ingest", alias_name = "live", invoke_arn = "arn:aws:lambda:eu-west-1:123456789012:function:ingest:live" }
    analyze = { name = "tidemark-analyze", alias_name = "live", invoke_arn = "arn:aws:lambda:eu-west-1:123456789012:function:analyze:live" }
  }
  cidr      = "10.77.0.0/20"
  n_zones   = 3
  existing  = null
  has_table = true
  table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/table"
}

run "api" {
  module {
    source = "./modules/api"
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "AWS_IAM"])
    error_message = "a route does not authenticate callers"
  }

  assert {
    condition     = length([for route in keys(aws_apigatewayv2_route.this) : route if can(regex(" /(metrics|livez|readyz|healthz|debug|ui)|proxy|default", route))]) == 0
    error_message = "a route without authentication in the function is exposed"
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 100 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 200
    error_message = "requests are not throttled"
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.access.arn && aws_cloudwatch_log_group.access.retention_in_days == 30
    error_message = "the access log is missing, or has no retention"
  }

  assert {
    condition     = alltrue([for permission in aws_lambda_permission.this : permission.qualifier == "live" && startswith(permission.source_arn, aws_apigatewayv2_api.this.execution_arn)])
    error_message = "another API may invoke a function, or an unreleased version may be invoked"
  }
}

run "api_with_tokens" {
  variables {
    authorization = "jwt"
    jwt           = { issuer = "https://issuer.example.com", audience = ["tidemark"] }
  }

  module {
    source = "./modules/api"
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "JWT" && route.authorizer_id == aws_apigatewayv2_authorizer.jwt[0].id])
    error_message = "a route does not require a token"
  }
}

run "network" {
  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(aws_subnet.private) == 3 && alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch != true])
    error_message = "a subnet is public"
  }

  assert {
    condition     = aws_vpc_endpoint.dynamodb[0].vpc_endpoint_type == "Gateway" && jsondecode(aws_vpc_endpoint.dynamodb[0].policy).Statement[0].Resource == [var.table_arn]
    error_message = "the endpoint allows other tables"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.cache[0].referenced_security_group_id == aws_security_group.functions.id && aws_vpc_security_group_ingress_rule.cache[0].from_port == 6379
    error_message = "the cache accepts connections from others than the functions"
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.functions_to_endpoints) == 0
    error_message = "the functions can reach the internet"
  }

  assert {
    condition     = length(aws_default_security_group.this[0].ingress) == 0 && length(aws_default_security_group.this[0].egress) == 0
    error_message = "the default group allows traffic"
  }
}
