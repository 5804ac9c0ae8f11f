#!/bin/sh
exec docker run registry.example.com/shop/shell:1.0.0
