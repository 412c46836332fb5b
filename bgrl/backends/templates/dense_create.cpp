{# Makes room for the variables of synapses; which neurons they connect follows from their number. #}
{# USES_VARIABLES { _synaptic_pre, _synaptic_post, N } #}
{# WRITES_TO_READ_ONLY_VARIABLES { _synaptic_pre, _synaptic_post, N } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const size_t _size = {{owner.dense[0]*owner.dense[1]*owner.dense[2]}};
    {% for varname in owner._registered_variables | variables_to_array_names(access_data=False) | sort %}
    {{varname}}.resize(_size);
    {% endfor %}
    {{N}} = _size;
{% endblock %}
