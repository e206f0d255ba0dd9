package org.yoloddp.error;

/**
 * Options that contradict each other or lie outside their range; the message holds the offending
 * values.
 */
public class ConfigurationException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param message which value is wrong, and what is allowed
     */
    public ConfigurationException(String message) {
        super(message);
    }
}
