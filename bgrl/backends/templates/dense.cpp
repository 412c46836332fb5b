{# Neurons, of a replicate in the inner loop; or rows of synapses (`bgrl.backends.rows`) and, in vector code, the synapses of a row. What is
   summed along rows is summed in a vector of partial sums, what is summed across them element by
   element. Behind the synapses of a row there may be elements that only fill the last vector. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    {% if owner.dense_rows is not defined %}
    {% set outer, inner = owner.dense_loops %}
    for (size_t _outer = 0; _outer < {{outer}}; _outer++)
        #pragma omp simd
        for (size_t _inner = 0; _inner < {{inner}}; _inner++)
        {
            const size_t _idx = _outer*{{inner}} + _inner;
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
    {% else %}
    {% set rows = owner.dense_rows %}
    {% set count, width = (rows.sources, rows.targets) if rows.of_sources else (rows.targets, rows.sources) %}
    {% set row, element = ('_presynaptic_idx', '_postsynaptic_idx') if rows.of_sources else ('_postsynaptic_idx', '_presynaptic_idx') %}
    {% set result = get_array_name(_target_var) if _target_var is defined else none %}
    {% set type = c_data_type(_target_var.dtype) if result else none %}
    {% set across = result and (_index_var.name == '_synaptic_post') == rows.of_sources %}
    {% set along = result and not across %}
    {% if along %}
    {# Whole vectors, the last of which ends with zeros. #}
    const int _lanes = bgrl::lanes<{{type}}>, _length = ({{rows.length}} + _lanes - 1)/_lanes*_lanes;
    alignas(64) {{type}} _terms[_length] = {}, _partial[{{count}}*_lanes];
    {% endif %}
    for (size_t _replicate = 0; _replicate < {{rows.replicates}}; _replicate++)
    {
        {% if across %}
        alignas(64) {{type}} _sums[{{rows.length}}] = {};
        {% endif %}
        for (size_t _row = 0; _row < {{count}}; _row++)
        {
            const size_t {{row}} = _replicate*{{count}} + _row;
            #pragma omp simd
            for (size_t _element = 0; _element < {{rows.length}}; _element++)
            {
                const size_t _idx = {{row}}*{{rows.length}} + _element;
                const size_t {{element}} = _replicate*{{width}} + _element;
                const size_t _vectorisation_idx = _idx;
                {{vector_code|autoindent}}
                {% if across %}
                _sums[_element] += _synaptic_var;
                {% elif along %}
                _terms[_element] = {{'_element < %d ? _synaptic_var : 0' % width if rows.length > width else '_synaptic_var'}};
                {% endif %}
            }
            {% if along %}
            bgrl::partial_sums<_length>(_partial + _row*_lanes, _terms);
            {% endif %}
        }
        {% if across %}
        for (size_t _element = 0; _element < {{width}}; _element++)
            {{result}}[_replicate*{{width}} + _element] = _sums[_element];
        {% elif along %}
        bgrl::add_up({{result}} + _replicate*{{count}}, _partial, {{count}});
        {% endif %}
    }
    {% endif %}
{% endblock %}
