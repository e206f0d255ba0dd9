package org.yoloddp.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.yoloddp.error.ConfigurationException;

class OptimizerSpecTest {

    @Test
    void hasTheDefaultsOfPyTorch() {
        assertThat(OptimizerSpec.sgd()).isEqualTo(new SgdSpec(0, 0, false, 0));
        assertThat(OptimizerSpec.adam()).isEqualTo(new AdamSpec(false, .9, .999, 1e-8, 0));
        assertThat(OptimizerSpec.adamW()).isEqualTo(new AdamSpec(true, .9, .999, 1e-8, .01));
    }

    @Test
    void settersReturnChangedCopies() {
        SgdSpec plain = OptimizerSpec.sgd();
        SgdSpec changed = plain.nesterov().momentum(.937).weightDecay(5e-4);

        assertThat(changed).isEqualTo(new SgdSpec(.937, 0, true, 5e-4));
        assertThat(plain).isEqualTo(new SgdSpec(0, 0, false, 0));
        assertThat(OptimizerSpec.adamW().betas(.937, .99).eps(1e-3).weightDecay(0))
                .isEqualTo(new AdamSpec(true, .937, .99, 1e-3, 0));
    }

    @Test
    void momentumOfAdamIsItsFirstBeta() {
        assertThat(OptimizerSpec.adam().betas(.8, .99).momentum()).isEqualTo(.8);
    }

    @Test
    void namesAreThoseOfPyTorch() {
        assertThat(OptimizerSpec.sgd().name()).isEqualTo("SGD");
        assertThat(OptimizerSpec.adam().name()).isEqualTo("Adam");
        assertThat(OptimizerSpec.adamW().name()).isEqualTo("AdamW");
    }

    @Test
    void refusesValuesOutsideTheirRange() {
        assertThatThrownBy(() -> OptimizerSpec.sgd().momentum(1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("momentum is 1.0, must be from 0 to below 1");
        assertThatThrownBy(() -> OptimizerSpec.sgd().dampening(1.5))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("dampening is 1.5, must be from 0 to 1");
        assertThatThrownBy(() -> OptimizerSpec.sgd().weightDecay(-1))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("weightDecay is -1.0, must be 0 or a positive finite number");
        assertThatThrownBy(() -> OptimizerSpec.adam().betas(.9, Double.NaN))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("beta2 is NaN, must be from 0 to below 1");
        assertThatThrownBy(() -> OptimizerSpec.adamW().eps(Double.POSITIVE_INFINITY))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("eps is Infinity, must be 0 or a positive finite number");
    }

    @Test
    void nesterovNeedsMomentumAndNoDampening() {
        assertThatCode(() -> OptimizerSpec.sgd().nesterov().momentum(.9).validate())
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> OptimizerSpec.sgd().nesterov().validate())
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "nesterov needs a momentum above 0 and a dampening of 0, got momentum 0.0"
                                + " and dampening 0.0; set momentum(...) and leave dampening alone,"
                                + " or drop nesterov()");
        assertThatThrownBy(
                        () -> OptimizerSpec.sgd().momentum(.9).dampening(.1).nesterov().validate())
                .isInstanceOf(ConfigurationException.class)
                .hasMessageContaining("dampening 0.1");
    }
}
