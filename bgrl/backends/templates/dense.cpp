{# Neurons; or the targets of all replicates and, in vector code, their sources. What is summed is summed
   over sources, in a vector of partial sums, or over targets. Behind the sources of a target, a row may
   have elements that only fill the last vector. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    {% if owner.dense is not defined %}
    #pragma omp simd
    for (size_t _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
    {% else %}
    {% set replicates, targets, sources = owner.dense %}
    {% set row = owner.dense_row %}
    {% set result = get_array_name(_target_var) if _target_var is defined else none %}
    {% set over_sources = result and _index_var.name == '_synaptic_post' %}
    {% if result and not over_sources %}
    for (size_t _idx = 0; _idx < {{replicates*sources}}; _idx++) {{result}}[_idx] = 0;
    {% endif %}
    for (size_t _postsynaptic_idx = 0; _postsynaptic_idx < {{replicates*targets}}; _postsynaptic_idx++)
    {
        const size_t _first = _postsynaptic_idx/{{targets}}*{{sources}};
        {% if over_sources %}
        {{c_data_type(_target_var.dtype)}} _sum = 0;
        #pragma omp simd reduction(+:_sum)
        {% else %}
        #pragma omp simd
        {% endif %}
        for (size_t _source = 0; _source < {{sources if result and not over_sources else row}}; _source++)
        {
            const size_t _idx = _postsynaptic_idx*{{row}} + _source;
            const size_t _presynaptic_idx = _first + _source;
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
            {% if over_sources %}
            _sum += {{'_source < %d ? _synaptic_var : 0' % sources if row > sources else '_synaptic_var'}};
            {% elif result %}
            {{result}}[_presynaptic_idx] += _synaptic_var;
            {% endif %}
        }
        {% if over_sources %}
        {{result}}[_postsynaptic_idx] = _sum;
        {% endif %}
    }
    {% endif %}
{% endblock %}
